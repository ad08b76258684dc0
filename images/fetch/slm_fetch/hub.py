"""A Hugging Face hub, or a mirror with the same paths, as a source: one file, or the files below a folder."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from slm_fetch.listing import MOST_ENTRIES, Offer, Tell, chosen, complete, one
from slm_fetch.plan import Plan, SourceFailed, Wanted
from slm_fetch.report import Report
from slm_fetch.store import Found, Store
from slm_fetch.web import Web, place

UNPINNED = "unpinned"
COMMIT = re.compile(r"[0-9a-f]{40}")
PAGES = 40
"""Pages of a listing that are read; the hub puts a thousand entries on one."""

Source = dict[str, Any]


def credentials(source: Source) -> tuple[str | None, str | None]:
    """The token a source's secret holds, and the secret's name for messages. Raises SourceFailed."""
    if not (file := source.get("token_file")):
        return None, None
    secret = source.get("token_secret", file)
    try:
        token = Path(file).read_text().strip()
    except OSError:
        token = ""
    if not token:
        raise SourceFailed(f"the secret '{secret}' (its file {file}) is missing or empty; set it and run up again")
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise SourceFailed(f"the secret '{secret}' holds a line break or a space inside; store the bare token")
    return token, secret


def from_hub(source: Source, plan: Plan, store: Store, report: Report) -> Found:
    """One file of a hub repository at one commit."""
    token, secret = credentials(source)
    with Web(plan, report, token=token, secret=secret) as web:
        revision, wanted = _commit(source, web), plan.files[0]
        if wanted.size is None:
            folder, _, name = source["file"].rpartition("/")
            wanted = one(plan, _listed(source, revision, folder, web), name, f"{source['repo']} at {revision[:12]}")
        part = store.partial("http", wanted.sha256 or revision)
        web.download(_address(source, revision, source["file"]), part, wanted.size or 0)
    return Found(part, wanted, revision=revision)


@contextmanager
def hub_folder(source: Source, plan: Plan, report: Report, stop: threading.Event) -> Iterator[Offer]:
    """The files below a folder of a hub repository at one commit."""
    token, secret = credentials(source)
    with Web(plan, report, token=token, secret=secret, stop=stop) as web:
        revision, folder = _commit(source, web), source.get("folder", "").strip("/")
        if complete(plan):
            files, skipped = plan.files, dict[str, str]()
        else:
            where = f"{source['repo']}{f'/{folder}' if folder else ''} at {revision[:12]}"
            files, skipped = chosen(plan, _listed(source, revision, folder, web), where)

        def fetch(wanted: Wanted, part: Path, tell: Tell) -> None:
            path = f"{folder}/{wanted.path}" if folder else wanted.path
            web.download(_address(source, revision, path), part, wanted.size or 0, tell)

        yield Offer(files, fetch, skipped, revision)


def _address(source: Source, revision: str, path: str) -> str:
    return f"{source['endpoint'].rstrip('/')}/{source['repo']}/resolve/{revision}/{quote(path)}"


def _commit(source: Source, web: Web) -> str:
    """The commit a source means; that of the main branch today while it is not pinned."""
    revision: str = source["revision"]
    if revision != UNPINNED:
        return revision
    url = f"{source['endpoint'].rstrip('/')}/api/models/{source['repo']}/revision/main"
    commit = _json(web.small(url), url, dict).get("sha")
    if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
        raise SourceFailed(f"{place(url)} names no commit; is the endpoint a hub?")
    return commit


def _listed(source: Source, revision: str, folder: str, web: Web) -> list[Wanted]:
    """All files below a folder, by their paths below it, page by page. Raises SourceFailed."""
    base = f"{source['endpoint'].rstrip('/')}/api/models/{source['repo']}/tree/{revision}"
    base += f"/{quote(folder, safe='')}" if folder else ""
    url, files = f"{base}?recursive=true", list[Wanted]()
    for _page in range(PAGES):
        content, head = web.answer(url)
        for entry in _json(content, url, list):
            if (file := _entry(entry, folder, url)) is not None:
                files.append(file)
        following = head.links.get("next", {}).get("url")
        if not following:
            return files
        if len(files) > MOST_ENTRIES:
            break
        # Only the cursor is taken from the link: a host in it would get the token.
        url = f"{base}?{urlsplit(following).query}"
    raise SourceFailed(f"{place(base)} lists too many files ({len(files)} and more); name a sub-folder")


def _entry(entry: Any, folder: str, url: str) -> Wanted | None:
    try:
        if entry["type"] != "file":
            return None
        path, large = str(entry["path"]), entry.get("lfs")
        if folder and not path.startswith(f"{folder}/"):
            raise SourceFailed(f"{place(url)} lists {path[:80]!r}, which is outside of {folder}: nothing is taken")
        path = path[len(folder) + 1 :] if folder else path
        if large:
            return Wanted(path, int(large["size"]), str(large["oid"]).removeprefix("sha256:"))
        return Wanted(path, int(entry["size"]), git_oid=str(entry["oid"]))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise SourceFailed(f"{place(url)} is no listing of a hub; is the endpoint a hub?") from None


def _json(content: bytes, url: str, kind: type[Any]) -> Any:
    try:
        data = json.loads(content)
    except ValueError:
        data = None
    if not isinstance(data, kind):
        raise SourceFailed(f"{place(url)} did not answer as a hub does; is the endpoint a hub?")
    return data
