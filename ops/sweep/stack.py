"""What a backend has: its stacks, and what each says of itself."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.settings.review import pull_request_of
from components.workload import Value
from ops.errors import UserError
from ops.sweep.backend import PROJECT_NAME, Backend

AT_ONCE = 4
"""Pulumi commands that run beside each other: each is a process that mostly waits."""


class Found(Value):
    """A stack of the backend. What nobody wrote down, or nobody can read, is None."""

    name: str
    last_update: datetime | None = None
    resources: int | None = None
    owner: str | None = None
    pull_request: int | None = None
    created: datetime | None = None
    expires: datetime | None = None
    host: str | None = None
    base: str | None = None


def found(backend: Backend) -> list[Found]:
    """Every stack of this project on the backend, by name. Raises UserError where the backend does not answer."""
    names = _listed(backend)
    reviews = [name for name in names if pull_request_of(name) is not None]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        told = dict(zip(reviews, pool.map(lambda name: _told(backend, name), reviews), strict=True))
    return [
        _found(name, row, told.get(name, {})) for name, row in sorted(names.items(), key=lambda item: _order(item[0]))
    ]


def _order(name: str) -> tuple[int, str]:
    return (pull_request_of(name) or 0, name)


def _listed(backend: Backend) -> dict[str, dict[str, Any]]:
    done = backend.run("stack", "ls", "--all", "--json", quiet=True)
    if done.code == 0:
        rows: list[dict[str, Any]] = json.loads(done.output or "[]")
        named = {_own_name(row["name"]): row for row in rows}
        return {name: row for name, row in named.items() if name}
    if "unsupported checkpoint" in done.output and backend.local:
        # One state of a newer form hides all the others from Pulumi.
        files = (backend.local / ".pulumi/stacks" / PROJECT_NAME).glob("*.json")
        return {path.name.removesuffix(".json"): {} for path in files}
    last = [line for line in done.output.splitlines() if line.strip()][-3:]
    raise UserError(
        f"the stacks of {backend.url.partition('?')[0]} cannot be listed:\n  " + "\n  ".join(last),
        harm="nothing was looked at, and nothing was removed",
        fix="check PULUMI_BACKEND_URL and the login to where it leads (az login), then run the command again",
    )


def _own_name(listed: str) -> str:
    """A stack's name; empty for one of another project. Pulumi writes `organization/project/stack` for those."""
    parts = listed.split("/")
    return listed if len(parts) == 1 else parts[-1] if parts[-2] == PROJECT_NAME else ""


def _told(backend: Backend, name: str) -> dict[str, Any]:
    """What a review stack says of itself: by its tags, or by the configuration of its last deployment."""
    tags = backend.run("stack", "tag", "ls", "--json", stack=name, quiet=True)
    if tags.code == 0:
        named = _document(tags.output)
        own = {key.removeprefix("slm:"): value for key, value in named.items() if key.startswith("slm:")}
        if "expires" in own:
            return own
    history = backend.run("stack", "history", "--json", "--page-size", "1", stack=name, quiet=True)
    updates = _document(history.output) if history.code == 0 else []
    if isinstance(updates, list) and updates:
        review = (updates[0].get("config") or {}).get("slm:review") or {}
        value = review.get("objectValue") or _document(str(review.get("value") or "{}"))
        return dict(value) if isinstance(value, Mapping) else {}
    return {}


def _document(text: str) -> Any:
    try:
        return json.loads(text or "{}")
    except ValueError:
        return {}


def _found(name: str, row: Mapping[str, Any], told: Mapping[str, Any]) -> Found:
    return Found(
        name=name,
        last_update=moment(row.get("lastUpdate")),
        resources=row.get("resourceCount"),
        owner=_word(told.get("owner")),
        pull_request=pull_request_of(name),
        created=moment(told.get("created")),
        expires=moment(told.get("expires")),
        host=_word(told.get("host")),
        base=_word(told.get("base")),
    )


def moment(text: Any) -> datetime | None:
    """A time in UTC; None for what is none, which a hand may have written."""
    try:
        read = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)


def _word(value: Any) -> str | None:
    """A plain word; None for anything that a hand may have put in its place."""
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._\[\]-]{0,252}", value) else None


def open_pull_requests(given: str) -> set[int] | None:
    """The numbers in `12,15`, or in a file: a JSON list of numbers or of objects with `number`; None for no word.

    `none` says that no pull request is open. Raises UserError for what is no such list: it must not be taken for
    "none is open".
    """
    text = given.strip()
    if not text:
        return None
    if text == "none":
        return set()
    if re.fullmatch(r"[0-9]+(\s*,\s*[0-9]+)*", text):
        return {int(number) for number in text.split(",")}
    try:
        document = json.loads(Path(text).read_text(encoding="utf-8"))
        rows = [row["number"] if isinstance(row, dict) else row for row in document]
        if isinstance(document, list) and all(isinstance(row, int) and not isinstance(row, bool) for row in rows):
            return set(rows)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise UserError(
        f"OPEN={text[:100]} is no list of open pull requests",
        harm="to take it for an empty one would remove every review stack, so nothing was done",
        fix="OPEN=12,15, OPEN=none, or a file: gh pr list --state open --limit 1000 --json number > open.json",
    )
