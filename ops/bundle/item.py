"""A file that goes into a bundle."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tools.load.manifest import Member


@dataclass(frozen=True)
class Item:
    """`source` is a file of this machine, or the content itself. `sha256` is given where it is known already: such a
    file is read once, when it is written, and compared then."""

    name: str
    source: Path | bytes
    sha256: str = ""
    executable: bool = False

    def member(self) -> Member:
        """As the manifest lists it."""
        size = len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size
        return Member(self.name, size, self.sha256 or self._digest(), self.executable)

    def open(self) -> IO[bytes]:
        """Its content from the beginning."""
        return io.BytesIO(self.source) if isinstance(self.source, bytes) else self.source.open("rb")

    def _digest(self) -> str:
        if isinstance(self.source, bytes):
            return hashlib.sha256(self.source).hexdigest()
        with self.source.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()


def files(folder: Path, name: str) -> list[Item]:
    """All files below a folder of this machine, under `name`, with their right to be run. Links are followed."""
    return [
        Item(f"{name}/{path.relative_to(folder).as_posix()}", path, executable=bool(path.stat().st_mode & 0o100))
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
