"""What a hub says of a repository at one commit: which files, how large, with which sha256."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from components.model_sources import UNPINNED, HuggingFaceSource
from components.weights import Format, WeightsFile
from components.weights_names import ENDINGS, taken
from ops.errors import UserError
from ops.pin.http import NOTHING, get

SMALL = 64 * 1024 * 1024
"""Bytes of the largest file that is fetched here to learn its sha256: settings and tokenizers, never weights."""
TOKEN_VARIABLE = "HF_TOKEN"  # noqa: S105 - the customary name of the variable, no token


@dataclass(frozen=True)
class Repository:
    """The files of a hub repository at one commit, as its listing gives them."""

    source: HuggingFaceSource
    commit: str
    entries: dict[str, dict[str, Any]]

    @property
    def place(self) -> str:
        """For messages."""
        return f"{self.source.repo} at {self.commit}"


def repository(source: HuggingFaceSource, name: str) -> Repository:
    """A repository at the commit its source names, or at that of its main branch while none is. Raises UserError."""
    wanted = "main" if source.revision == UNPINNED else source.revision
    url = f"{source.endpoint}/api/models/{source.repo}/revision/{wanted}"
    data = get(url, name, query={"blobs": "true"}, token=_token(source)).json()
    commit = data.get("sha") if isinstance(data, dict) else None
    if not isinstance(commit, str) or not re.fullmatch("[0-9a-f]{40}", commit) or wanted not in ("main", commit):
        raise UserError(
            f"the hub answers commit {commit} for {source.repo}, not {wanted}",
            harm=NOTHING,
            fix="write the commit into the model's row",
        )
    return Repository(source, commit, {str(e.get("rfilename")): e for e in data.get("siblings", [])})


def one_file(found: Repository, path: str, name: str) -> WeightsFile:
    """The file that a source names by `file`, under the weights' own name for it. Raises UserError."""
    return _file(found, str(found.source.file), path, name)


def folder(found: Repository, kind: Format, listed: Sequence[str], name: str) -> tuple[WeightsFile, ...]:
    """The files below the source's folder: `listed`, or all that a fetch takes. Raises UserError."""
    under = f"{found.source.folder}/" if found.source.folder else ""
    below = sorted(path[len(under) :] for path in found.entries if path.startswith(under))
    paths = list(listed) or taken(below, kind)
    if not any(ENDINGS[kind].search(path) for path in paths):
        raise UserError(
            f"{found.place} has no {kind} files below '{found.source.folder}'",
            harm=NOTHING,
            fix="correct the source's repo or folder in the model's row",
        )
    return tuple(_file(found, f"{under}{path}", path, name) for path in paths)


def _file(found: Repository, place: str, path: str, name: str) -> WeightsFile:
    entry = found.entries.get(place)
    if entry is None:
        raise UserError(
            f"{found.place} has no file {place}", harm=NOTHING, fix="correct the file's name in the model's row"
        )
    if stored := entry.get("lfs"):
        return WeightsFile(path=path, size_bytes=int(stored["size"]), sha256=str(stored["sha256"]))
    if int(entry.get("size") or 0) > SMALL:
        raise UserError(f"{found.place} gives no sha256 of {place}", harm=NOTHING, fix="use another repository")
    # Git itself only keeps a SHA-1 of small files, so they are read once.
    url = f"{found.source.endpoint}/{found.source.repo}/resolve/{found.commit}/{quote(place)}"
    content = get(url, name, token=_token(found.source)).content
    oid = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    if entry.get("blobId") not in (None, oid):
        raise UserError(
            f"{url} is not the file that the listing of {found.place} names",
            harm=NOTHING,
            fix="run make pin again; if it stays, use another hub",
        )
    return WeightsFile(path=path, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def _token(source: HuggingFaceSource) -> str | None:
    """A token for repositories that want one, never sent to others."""
    return os.environ.get(TOKEN_VARIABLE, "").strip() or None if source.token_secret else None
