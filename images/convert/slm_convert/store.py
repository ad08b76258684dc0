"""The output volume: a work folder while it runs, then the files at its top and a record that says what they are."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from slm_convert import report, steps
from slm_convert.plan import Inconvertible, NoSpace, Plan

RECORD = "conversion.json"
WORK = ".converting"
TOOLS = ("torch", "transformers", "gguf", "onnx", "onnx-ir", "onnxruntime", "onnxruntime-genai")
CHUNK = 4 * 1024 * 1024
GB = 1_000_000_000


class Store:
    """The result's place."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.record, self.work = plan.directory / RECORD, plan.directory / WORK

    def present(self) -> dict[str, Any] | None:
        """The record of this very result when its files are all there, else None.

        A file whose time of change differs from the recorded one is read and compared.
        """
        record = read(self.record)
        if record.get("pin") != self.plan.pin or not record.get("files"):
            return None
        for name, facts in record["files"].items():
            file = self.plan.directory / name
            try:
                stat = file.stat()
                if stat.st_size != facts["bytes"]:
                    return None
                if stat.st_mtime_ns != facts["mtime_ns"] and sha256(file) != facts["sha256"]:
                    return None
            except (OSError, KeyError):
                return None
        return record

    @contextmanager
    def opened(self) -> Iterator[Path]:
        """An empty work folder, for one conversion at a time: a second one waits. It is gone afterwards."""
        self.work.mkdir(exist_ok=True)
        with (self.plan.directory / f"{WORK}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._clean()
            try:
                yield self.work
            finally:
                shutil.rmtree(self.work, ignore_errors=True)

    def _clean(self) -> None:
        if any(self.work.iterdir()):
            report.event("cleaned", message="a conversion that did not end had left files")
        shutil.rmtree(self.work)
        self.work.mkdir()

    def check_space(self) -> None:
        """Raise NoSpace unless result and what is held on the way to it fit."""
        between = (
            self.plan.parameters * 2 * 1.3 if (self.plan.source_format, self.plan.format) == ("gguf", "onnx") else 0
        )
        # An ONNX builder writes its cache beside the result.
        needed = self.plan.size * (2.1 if self.plan.format == "onnx" else 1.1) + between
        free = shutil.disk_usage(self.plan.directory).free
        if free < needed:
            raise NoSpace(
                f"{self.plan.name} needs {needed / GB:.1f} GB of free disk where Docker keeps its volumes to become"
                f" {self.plan.format}, and {free / GB:.1f} GB are free. Nothing was converted. Free some space (docker"
                " system df shows what Docker holds), or choose a smaller model."
            )

    def accept(self, folder: Path, tried: dict[str, Any], started: float) -> dict[str, Any]:
        """Move the finished folder's files to their place, record them last, and give the record."""
        files = {}
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            file.chmod(0o444)
            stat, name = file.stat(), str(file.relative_to(folder))
            files[name] = {"bytes": stat.st_size, "sha256": sha256(file), "mtime_ns": stat.st_mtime_ns}
        self._remove_old()
        for name in files:
            final = self.plan.directory / name
            final.parent.mkdir(parents=True, exist_ok=True)
            os.replace(folder / name, final)
        origin = read(self.plan.source / RECORD)
        record = {
            "name": self.plan.name,
            "pin": self.plan.pin,
            "format": self.plan.format,
            "precision": self.plan.precision,
            "device": self.plan.device if self.plan.format == "onnx" else None,
            "source": {"format": self.plan.source_format, **self.plan.provenance, "made_by": origin or None},
            "tools": {name: version(name) for name in TOOLS},
            "tried": tried,
            "seconds": round(time.monotonic() - started, 1),
            "peak_mib": steps.peak_mib(),
            "files": files,
        }
        beside = self.work / RECORD
        beside.write_text(json.dumps(record, indent=1) + "\n")
        beside.chmod(0o444)
        os.replace(beside, self.record)
        return record

    def _remove_old(self) -> None:
        """Remove what an earlier conversion into this volume left, its record first."""
        self.record.unlink(missing_ok=True)
        for path in self.plan.directory.iterdir():
            if path.name in (WORK, f"{WORK}.lock", "lost+found"):
                continue
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def check_input(plan: Plan) -> None:
    """Raise Inconvertible unless the input's files are those the plan names."""
    for name, wanted in plan.files.items():
        file = plan.source / name
        if not file.is_file():
            raise Inconvertible(
                f"the volume of the {plan.source_format} weights has no {name}: run up again to fetch it"
            )
        size, known = wanted.get("size_bytes"), wanted.get("sha256")
        if (size and file.stat().st_size != size) or (known and sha256(file) != known):
            raise Inconvertible(
                f"{name} is not the file that is pinned, so nothing was made from it. The volume was changed after it"
                " was fetched: remove the volume, and up fetches it again."
            )


def digest(files: dict[str, dict[str, Any]]) -> str:
    """One sha256 for a folder: of its files' names and digests."""
    listed = "".join(f"{name}\0{facts['sha256']}\n" for name, facts in sorted(files.items()))
    return hashlib.sha256(listed.encode()).hexdigest()


def sha256(file: Path) -> str:
    """The file's sha256."""
    found = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            found.update(chunk)
    return found.hexdigest()


def read(path: Path) -> dict[str, Any]:
    """A record, or nothing when there is none that can be read."""
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
