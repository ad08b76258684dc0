"""The weights volume: its folder of records and partial files, its free space, and how content is verified."""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from slm_fetch.plan import NoSpace, Plan, Wanted, WrongBytes
from slm_fetch.report import Report

CHUNK = 4 * 1024 * 1024
GB = 1_000_000_000
TELLING = 64 * 1024 * 1024
"""Bytes from which on verifying a file takes long enough to be told about."""


class Volume:
    """What both layouts have in common. `fetched/` in the volume holds records, partial files and temporary ones."""

    record: Path

    def __init__(self, plan: Plan, report: Report) -> None:
        self.plan = plan
        self.report = report
        self.fetched = plan.directory / "fetched"
        self.temporary = self.fetched / "tmp"

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

    def check_space(self, total: int, have: int) -> None:
        """Raise NoSpace unless a fifth more than `total` bytes fits and a tenth of that is still free afterwards."""
        needed = max(0.0, total * 1.2 * 1.1 - have)
        free = shutil.disk_usage(self.fetched).free
        if free < needed:
            raise NoSpace(
                f"{self.plan.name} needs {needed / GB:.1f} GB of free disk where Docker keeps its volumes, and"
                f" {free / GB:.1f} GB are free. Nothing was fetched. Free some space (docker system df shows what"
                " Docker holds), or choose a smaller model."
            )

    def verify(self, file: Path, wanted: Wanted) -> str:
        """The sha256 of a complete file. Raises WrongBytes, and deletes it, when it is not what is wanted."""
        size = file.stat().st_size
        if wanted.size not in (None, size):
            file.unlink()
            raise WrongBytes(f"it delivered {size} bytes of {wanted.path}, and {wanted.size} are expected; deleted")
        actual = self._digests(file, wanted)
        if wanted.sha256 not in (None, actual["sha256"]):
            file.unlink()
            raise WrongBytes(
                f"the sha256 of its {wanted.path} is {actual['sha256']}, and the pinned one is {wanted.sha256}: these"
                " are other weights, or they were damaged on the way; deleted"
            )
        for name, expected in (("git_oid", wanted.git_oid), ("md5", wanted.md5)):
            if expected and actual[name] != expected:
                file.unlink()
                raise WrongBytes(
                    f"its {wanted.path} is not the file its own listing describes ({name} {actual[name]} instead of"
                    f" {expected}): it was damaged on the way; deleted"
                )
        return actual["sha256"]

    def _digests(self, file: Path, wanted: Wanted) -> dict[str, str]:
        total, done = file.stat().st_size, 0
        made: dict[str, Any] = {"sha256": hashlib.sha256()}
        if wanted.git_oid:
            made["git_oid"] = hashlib.sha1(b"blob %d\0" % total, usedforsecurity=False)
        if wanted.md5:
            made["md5"] = hashlib.md5(usedforsecurity=False)
        with file.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                for digest in made.values():
                    digest.update(chunk)
                done += len(chunk)
                if self.plan.layout != "folder" or total > TELLING:
                    self.report.progress(done, what="verify", total=total)
        return {name: digest.hexdigest() for name, digest in made.items()}

    @staticmethod
    def write(path: Path, content: str | bytes) -> None:
        """Write a small file completely or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.new")
        beside.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(beside, path)

    @staticmethod
    def read(path: Path) -> dict[str, Any]:
        """A record, or nothing when there is none that can be read."""
        try:
            data = json.loads(path.read_text())
        except (OSError, ValueError):
            return {}
        return data if isinstance(data, dict) else {}


def untouched(entry: dict[str, Any], file: Path) -> bool:
    """Whether the file has still the size and time of change that were recorded when it was verified."""
    try:
        stat = file.stat()
        return bool(entry["bytes"] == stat.st_size and entry["mtime_ns"] == stat.st_mtime_ns)
    except (OSError, KeyError, TypeError):
        return False


def md5_of_header(value: str | None) -> str | None:
    """The hex form of a Content-MD5 value, or None when there is none that can be read."""
    try:
        raw = base64.b64decode(value or "", validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw.hex() if len(raw) == 16 else None
