"""One file of weights in the volume: where it lies, and what was verified."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from slm_fetch.plan import Plan, SourceFailed, Wanted
from slm_fetch.report import Report
from slm_fetch.volume import CHUNK, Volume, untouched


@dataclass(frozen=True)
class Found:
    """A complete, unverified file, what its source says it must be, and where it is from.

    `library` is the name in the Ollama library an importer may start from.
    """

    file: Path
    wanted: Wanted
    library: str | None = None
    revision: str | None = None


class Store(Volume):
    """The volume of the layouts with one file: "ollama" has it at blobs/sha256-<hex>, "file" under its own name."""

    def __init__(self, plan: Plan, report: Report) -> None:
        super().__init__(plan, report)
        self.record = self.fetched / f"{plan.file}.json"

    def final(self, sha256: str) -> Path:
        """Where the verified file goes."""
        if self.plan.layout == "ollama":
            return self.plan.directory / "blobs" / f"sha256-{sha256}"
        return self.plan.directory / self.plan.file

    def partial(self, kind: str, content: str | None = None) -> Path:
        """A partial file that outlives an interruption. HTTP sources share one, because they serve the same bytes.

        Without a pin only `content`, which names the bytes in the source's own way, says that they are the same.
        """
        mark = "" if self.plan.sha256 or not content else f".{content[:12]}"
        return self.fetched / f"{self.plan.file}.{kind}{mark}.part"

    def present(self) -> dict[str, Any] | None:
        """The record of a file that was verified and has not been touched since, or None."""
        record = self.read(self.record)
        same = untouched(record, Path(str(record.get("path"))))
        return record if same and self.plan.sha256 in (None, record.get("sha256")) else None

    def parts(self) -> list[Path]:
        """The partial files that there are."""
        return [*self.fetched.glob("*.part*")]

    def space(self) -> None:
        """Raise NoSpace when the disk is too small for what is missing."""
        self.check_space(self.plan.files[0].size or self.plan.size, _bytes(self.fetched))

    def accept(self, found: Found, source: str) -> dict[str, Any]:
        """Verify the complete file, move it to its place and record it.

        Raises SourceFailed, and deletes the file, when its content is not the pinned one.
        """
        actual = self.verify(found.file, replace(found.wanted, sha256=self.plan.sha256 or found.wanted.sha256))
        final = self.final(actual)
        final.parent.mkdir(parents=True, exist_ok=True)
        os.replace(found.file, final)
        final.chmod(0o444)
        stat = final.stat()
        record = {
            "sha256": actual,
            "bytes": stat.st_size,
            "mtime_ns": stat.st_mtime_ns,
            "path": str(final),
            "source": source,
            "revision": found.revision,
            "library": found.library,
        }
        self.write(self.fetched / "from.json", json.dumps(self._origin(record)))
        self.write(self.record, json.dumps(record, indent=1))
        for part in self.parts():
            part.unlink()
        self.clean()
        return record

    def _origin(self, record: dict[str, Any]) -> dict[str, Any]:
        """What an importer of the Ollama layout starts from, in the words of Ollama's create request."""
        if record["library"]:
            return {"from": record["library"]}
        return {"files": {self.plan.file: f"sha256:{record['sha256']}"}}


def _bytes(folder: Path) -> int:
    return sum(part.stat().st_size for part in folder.glob("*.part"))


def append(source: IO[bytes], target: IO[bytes], room: int) -> int:
    """Copy a stream to the end of another and give the number of bytes. Raises SourceFailed above `room` bytes."""
    copied = 0
    while chunk := source.read(CHUNK):
        copied += len(chunk)
        if copied > room:
            raise SourceFailed("its parts hold more bytes than the file has")
        target.write(chunk)
    return copied
