"""Where the weights lie in the volume, what was verified, and whether the disk can hold them."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from slm_fetch.plan import NoSpace, Plan, SourceFailed
from slm_fetch.report import Report

CHUNK = 4 * 1024 * 1024
GB = 1_000_000_000


class Store:
    """The weights volume.

    `fetched/` in it holds the record of the verified file, partial files and the temporary ones of pip. With the
    layout "ollama" the file lies at blobs/sha256-<hex>, with "file" under its own name.
    """

    def __init__(self, plan: Plan, report: Report) -> None:
        self.plan = plan
        self.report = report
        self.fetched = plan.directory / "fetched"
        self.temporary = self.fetched / "tmp"
        self.record = self.fetched / f"{plan.file}.json"

    def final(self, sha256: str) -> Path:
        """Where the verified file goes."""
        if self.plan.layout == "ollama":
            return self.plan.directory / "blobs" / f"sha256-{sha256}"
        return self.plan.directory / self.plan.file

    def partial(self, kind: str) -> Path:
        """A partial file that outlives an interruption. HTTP sources share one, because they serve the same bytes."""
        return self.fetched / f"{self.plan.file}.{kind}.part"

    @contextmanager
    def opened(self) -> Iterator[None]:
        """The volume's folders, for one fetch at a time: a second one waits."""
        for folder in (self.temporary, *([self.plan.directory / "blobs"] if self.plan.layout == "ollama" else [])):
            folder.mkdir(parents=True, exist_ok=True)
        with (self.fetched / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.clean()
            yield

    def clean(self) -> None:
        """Remove what an interrupted pip left behind."""
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.temporary.mkdir(parents=True, exist_ok=True)

    def present(self) -> dict[str, Any] | None:
        """The record of a file that was verified and has not been touched since, or None."""
        try:
            record: dict[str, Any] = json.loads(self.record.read_text())
            stat = Path(record["path"]).stat()
        except (OSError, ValueError, KeyError, TypeError):
            return None
        same = record["bytes"] == stat.st_size and record["mtime_ns"] == stat.st_mtime_ns
        return record if same and self.plan.sha256 in (None, record["sha256"]) else None

    def check_space(self) -> None:
        """Raise NoSpace unless a fifth more than the file fits and a tenth of that is still free afterwards."""
        have = sum(p.stat().st_size for p in self.fetched.glob("*.part"))
        needed = max(0.0, self.plan.size * 1.2 * 1.1 - have)
        free = shutil.disk_usage(self.fetched).free
        if free < needed:
            raise NoSpace(
                f"{self.plan.name} needs {needed / GB:.1f} GB of free disk where Docker keeps its volumes, and"
                f" {free / GB:.1f} GB are free. Nothing was fetched. Free some space (docker system df shows what"
                " Docker holds), or choose a smaller model."
            )

    def accept(
        self, file: Path, source: str, *, library: str | None = None, known: str | None = None
    ) -> dict[str, Any]:
        """Verify the complete file, move it to its place and record it. `known` saves hashing a file just hashed.

        Raises SourceFailed, and deletes the file, when its content is not the pinned one.
        """
        size = file.stat().st_size
        if size != self.plan.size:
            file.unlink()
            raise SourceFailed(
                f"it delivered {size} bytes of {self.plan.file}, and {self.plan.size} are expected; deleted"
            )
        actual = known or self.digest(file)
        if self.plan.sha256 not in (None, actual):
            file.unlink()
            raise SourceFailed(
                f"the sha256 of its {self.plan.file} is {actual}, and the pinned one is {self.plan.sha256}: these are"
                " other weights, or they were damaged on the way; deleted"
            )
        final = self.final(actual)
        final.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, final)
        final.chmod(0o444)
        stat = final.stat()
        record = {
            "sha256": actual,
            "bytes": size,
            "mtime_ns": stat.st_mtime_ns,
            "path": str(final),
            "source": source,
            "library": library,
        }
        self.write(self.fetched / "from.json", json.dumps(self._origin(record)))
        self.write(self.record, json.dumps(record, indent=1))
        for part in self.fetched.glob("*.part*"):
            part.unlink()
        self.clean()
        return record

    def _origin(self, record: dict[str, Any]) -> dict[str, Any]:
        """What an importer of the Ollama layout starts from, in the words of Ollama's create request."""
        if record["library"]:
            return {"from": record["library"]}
        return {"files": {self.plan.file: f"sha256:{record['sha256']}"}}

    def digest(self, file: Path) -> str:
        """The file's sha256, with progress."""
        total, done, digest = file.stat().st_size, 0, hashlib.sha256()
        with file.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
                done += len(chunk)
                self.report.progress(done, what="verify", total=total)
        return digest.hexdigest()

    @staticmethod
    def write(path: Path, content: str | bytes) -> None:
        """Write a small file completely or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.new")
        beside.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(beside, path)


def append(source: IO[bytes], target: IO[bytes], room: int) -> int:
    """Copy a stream to the end of another and give the number of bytes. Raises SourceFailed above `room` bytes."""
    copied = 0
    while chunk := source.read(CHUNK):
        copied += len(chunk)
        if copied > room:
            raise SourceFailed("its parts hold more bytes than the file has")
        target.write(chunk)
    return copied
