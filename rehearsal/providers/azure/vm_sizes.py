"""VM sizes as Azure sees them: the catalogue's, the other common ones, and the family each counts its quota by."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from components.catalog.hardware import hardware


@dataclass(frozen=True)
class Size:
    """One VM size. `local_disk_gib` is what an ephemeral system disk must fit on, None where nobody looked it up."""

    name: str
    family: str
    vcpus: int
    memory_gib: float
    local_disk_gib: float | None
    gpu: str | None = None
    gpus: int = 0
    mig: bool = False


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "vm_sizes.toml").read_text())


@cache
def sizes() -> dict[str, Size]:
    """All sizes by lower-case name: Azure does not care for capitals here."""
    known = hardware()
    found: dict[str, Size] = {}
    for family, series in _table().items():
        if family == "retired":
            continue
        for vcpus in series["vcpus"]:
            name = series["name"].format(n=vcpus)
            listed = known.vm_sizes.get(name)
            local = (listed and listed.temporary_gib) or vcpus * series.get("local_disk_per_vcpu", 0)
            disk = series.get("local_disk_gib", {}).get(str(vcpus), local)
            found[name.lower()] = Size(
                name=name,
                family=series.get("family", family),
                vcpus=listed.vcpus if listed else vcpus,
                memory_gib=listed.memory_gib if listed else vcpus * series.get("memory", 0),
                local_disk_gib=disk,
                gpu=listed.gpu if listed else None,
                gpus=listed.gpus if listed else 0,
                mig=bool(listed and listed.gpu and known.gpus[listed.gpu].mig),
            )
    for name, listed in known.vm_sizes.items():
        if name.lower() not in found:  # A size added to the catalogue later: no family, so nothing but its own quota.
            mig = bool(listed.gpu and known.gpus[listed.gpu].mig)
            disk = listed.temporary_gib
            found[name.lower()] = Size(name, name, listed.vcpus, listed.memory_gib, disk, listed.gpu, listed.gpus, mig)
    return found


def size_of(name: str) -> Size | None:
    """The size of that name, or None where no table has it."""
    return sizes().get(name.lower())


def retired(name: str) -> str | None:
    """The date on which Azure withdrew the size, None for all others."""
    return next((str(date) for old, date in _table()["retired"].items() if old.lower() == name.lower()), None)
