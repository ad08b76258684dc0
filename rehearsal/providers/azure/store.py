"""The simulated cloud's memory: one JSON file for each resource below a directory, shared by every run that names it.

Files are replaced whole, so a reader never sees half of one; whoever changes several things at once holds `lock()`.
"""

from __future__ import annotations

import json
import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field

from rehearsal.providers.azure import arm_ids

State = Literal["Creating", "Updating", "Succeeded", "Failed"]


class Record(BaseModel):
    """A resource as the cloud has it. `born` differs when it is made anew, and so do its principal's ids.

    `inputs` is what it was last asked to be, without secrets; `outputs` what a read answers. `made_by` is the id of
    the resource that brought it along, as a cluster does its node group; it goes with that one.
    """

    model_config = ConfigDict(extra="forbid")

    id: str
    resource_type: str
    state: State
    inputs: dict[str, Any] = Field(default_factory=dict)
    outputs: dict[str, Any] = Field(default_factory=dict)
    born: str = Field(default_factory=lambda: uuid.uuid4().hex)
    made_by: str | None = None

    @property
    def name(self) -> str:
        """The last segment of its id."""
        return arm_ids.name_of(self.id)


class Store:
    """The records of one state directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.resources = directory / "resources"
        self.deleted_vaults = directory / "deleted"
        for folder in (self.resources, self.deleted_vaults):
            folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(directory / ".lock")
        # Reading what did not change again and again would make a large stack slow.
        self._read_before: dict[Path, tuple[tuple[int, int], Record]] = {}

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Nobody else changes the cloud meanwhile, neither another thread nor another process."""
        with self._lock:
            yield

    def get(self, arm_id: str) -> Record | None:
        """The resource, or None where there is none of that id."""
        return self._read(self.resources / _file_name(arm_id))

    def put(self, record: Record) -> None:
        """Make it or replace it."""
        write_json(self.resources / _file_name(record.id), record.model_dump())

    def remove(self, arm_id: str) -> None:
        """Forget it; nothing happens when it is gone already."""
        (self.resources / _file_name(arm_id)).unlink(missing_ok=True)

    def all(self, resource_type: str | None = None) -> list[Record]:
        """Every resource, or those of one type, by id."""
        found = [record for file in self.resources.glob("*.json") if (record := self._read(file))]
        return sorted((r for r in found if resource_type in (None, r.resource_type)), key=lambda r: arm_ids.key(r.id))

    def below(self, arm_id: str) -> list[Record]:
        """What lies inside it, and what it brought along with what lies in that."""
        found: dict[str, Record] = {}
        inside = [arm_id]
        records = self.all()
        while inside:
            ancestor = inside.pop()
            for record in records:
                brought = record.made_by and arm_ids.same(record.made_by, ancestor)
                if record.id not in found and (brought or arm_ids.below(record.id, ancestor)):
                    found[record.id] = record
                    inside.append(record.id)
        return list(found.values())

    def soft_delete(self, record: Record) -> None:
        """Keep a deleted vault or secret under its name, which stays taken until it is purged."""
        write_json(self.deleted_vaults / _file_name(record.id), record.model_dump())

    def soft_deleted(self) -> list[Record]:
        """Vaults and secrets that are deleted and not purged."""
        found = [record for file in self.deleted_vaults.glob("*.json") if (record := self._read(file))]
        return sorted(found, key=lambda r: arm_ids.key(r.id))

    def purge(self, arm_id: str) -> None:
        """Forget a deleted one for good."""
        (self.deleted_vaults / _file_name(arm_id)).unlink(missing_ok=True)

    def _read(self, file: Path) -> Record | None:
        try:
            found = file.stat()
            # A file is never written twice: whoever changes it puts a new one in its place.
            version = (found.st_ino, found.st_mtime_ns)
            known = self._read_before.get(file)
            if known is None or known[0] != version:
                known = (version, Record.model_validate_json(file.read_bytes()))
                self._read_before[file] = known
            return known[1]
        except FileNotFoundError:  # Removed since the folder was listed.
            return None


def write_json(file: Path, content: object) -> None:
    """Replace a file whole, readable by its owner alone."""
    with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=".part-", delete=False) as partial:
        json.dump(content, partial, indent=1, sort_keys=True)
    os.replace(partial.name, file)


def _file_name(arm_id: str) -> str:
    # A readable beginning for people, and a digest that tells apart what it cuts off.
    words = "".join(c if c.isalnum() else "-" for c in arm_ids.name_of(arm_id).lower())[:60]
    return f"{words}.{sha256(arm_ids.key(arm_id).encode()).hexdigest()[:16]}.json"
