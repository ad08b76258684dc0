"""The one form that a bundle's archive has, byte for byte, so that its reader follows nothing that is not signed.

It is an ordinary tar: the manifest, its signature, then each file that the manifest lists, in its order. Headers are
computed from the manifest and compared, never obeyed: there is no way to name a link, another path or another size.
"""

from __future__ import annotations

import hashlib
import tarfile
from typing import IO, Protocol

from tools.errors import ToolError

MANIFEST = "manifest.json"
SIGNATURE = "manifest.json.sig"
LARGEST = 64 << 20
"""Bytes that a manifest or a signature may have: they are read into memory before anything is known of them."""
CHUNK = 1 << 20
PATH = 4096
"""Bytes of a name that are looked at to say what a file is that should not be there."""
HARM = "nothing was installed, and what was loaded before is as it was"
AGAIN = "copy the archive again and compare its sha256 with the sender's; if it repeats, ask whoever made it"


class Listed(Protocol):
    """A file as a manifest lists it."""

    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> str: ...
    @property
    def executable(self) -> bool: ...


def header(name: str, size: int, *, executable: bool = False) -> bytes:
    """The tar header of a file: owner 0, date 0, so that the same content is the same archive."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o755 if executable else 0o644
    return info.tobuf(tarfile.GNU_FORMAT)


def padding(size: int) -> bytes:
    """The zeros that follow a file's content."""
    return b"\0" * (-size % tarfile.BLOCKSIZE)


def ending(written: int) -> bytes:
    """The zeros at the end of an archive of which so many bytes are written."""
    return b"\0" * (2 * tarfile.BLOCKSIZE + -(written + 2 * tarfile.BLOCKSIZE) % tarfile.RECORDSIZE)


def refused(what: str, fix: str = AGAIN) -> ToolError:
    """An error about an archive that must not be installed."""
    return ToolError(what, harm=HARM, fix=fix)


class Reader:
    """Reads an archive once, from its beginning to its end. All its methods raise ToolError for what is not right."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._at = stream, 0

    def first(self, name: str) -> bytes:
        """The content of the manifest or of its signature, which come first and are not listed."""
        block = self._read(tarfile.BLOCKSIZE)
        try:
            size = tarfile.TarInfo.frombuf(block, "utf-8", "strict").size
        except tarfile.HeaderError:
            size = -1
        if not 0 <= size <= LARGEST or block != header(name, size):
            raise refused(f"this is no bundle: its {name} is not where make bundle puts it")
        content = self._read(size)
        if len(content) < size or self._read(len(padding(size))) != padding(size):
            raise refused(f"{name} in the archive is damaged")
        return content

    def member(self, listed: Listed, out: IO[bytes], names: frozenset[str]) -> None:
        """Copy the next file's content to `out` while it is checked. `names` are those of all files in the manifest."""
        wanted = header(listed.name, listed.size, executable=listed.executable)
        if (found := self._read(len(wanted))) != wanted:
            raise refused(_difference(listed.name, found + self._read(PATH), names))
        digest, left = hashlib.sha256(), listed.size
        while left:
            if not (piece := self._read(min(left, CHUNK))):
                raise refused(f"the archive ends in the middle of {listed.name}")
            digest.update(piece)
            out.write(piece)
            left -= len(piece)
        if digest.hexdigest() != listed.sha256:
            raise refused(f"{listed.name} is not what was signed: its sha256 is {digest.hexdigest()}")
        if self._read(len(padding(listed.size))) != padding(listed.size):
            raise refused(f"the archive was changed behind {listed.name}")

    def end(self, names: frozenset[str]) -> None:
        """Make sure that nothing follows the last file."""
        wanted = ending(self._at)
        found = self._read(len(wanted))
        if found != wanted:
            raise refused(_difference("", found, names))
        if self._read(1):
            raise refused("something follows the end of the archive")

    def _read(self, size: int) -> bytes:
        content = self._stream.read(size)
        self._at += len(content)
        return content


def _difference(wanted: str, found: bytes, names: frozenset[str]) -> str:
    """What is wrong with a header, as far as it can be told."""
    if not found.strip(b"\0"):
        return f"the archive ends before {wanted}, which is missing" if wanted else "the archive was cut off at its end"
    try:
        info = tarfile.TarInfo.frombuf(found[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return f"the archive is damaged before {wanted or 'its end'}"
    long = info.type == tarfile.GNUTYPE_LONGNAME
    raw = found[tarfile.BLOCKSIZE :][: info.size].rstrip(b"\0").decode(errors="replace") if long else info.name
    name = repr(raw[:200])[1:-1]
    if raw == wanted:
        kind = "" if info.isreg() or long else ": it is a link or no file at all"
        return f"the header of {wanted} is not what was signed{kind}"
    if raw in names:
        return f"{wanted or 'the end'} is missing: {name} comes in its place"
    return f"{name} is in the archive and not in its manifest"
