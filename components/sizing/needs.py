"""What a stack needs of a host, as the table people plan by: least and recommended memory, GPU memory, disk (pure)."""

from __future__ import annotations

import math

from components.engines.base import EngineBase
from components.models import Model
from components.sizing.machine import HOST_RESERVE_MIB
from components.sizing.verdict import DISK_HEADROOM
from components.workload import Value

COMFORT = 1.25
"""Recommended over least memory: weights stay in the page cache, and a longer prompt does not need a new plan."""


class Needs(Value):
    """What one engine needs, in MiB; `vram_mib` is 0 on the CPU. `least_ram_mib` is its container's limit."""

    least_ram_mib: int
    recommended_ram_mib: int
    vram_mib: int
    disk_mib: int

    def __add__(self, other: Needs) -> Needs:
        return Needs(
            least_ram_mib=self.least_ram_mib + other.least_ram_mib,
            recommended_ram_mib=self.recommended_ram_mib + other.recommended_ram_mib,
            vram_mib=self.vram_mib + other.vram_mib,
            disk_mib=self.disk_mib + other.disk_mib,
        )


NOTHING = Needs(least_ram_mib=0, recommended_ram_mib=0, vram_mib=0, disk_mib=0)
HOST = Needs(least_ram_mib=HOST_RESERVE_MIB, recommended_ram_mib=2 * HOST_RESERVE_MIB, vram_mib=0, disk_mib=0)
"""What the host itself, Docker and the gateway take beside the engines."""


def needs(engine: EngineBase, model: Model) -> Needs:
    """What an engine needs for a model. Raises ValueError when they do not go together."""
    footprint = engine.footprint(model)
    least = engine.memory_mib(model)
    return Needs(
        least_ram_mib=least,
        recommended_ram_mib=math.ceil(least * COMFORT),
        vram_mib=footprint.device_mib if footprint.device == "vram" else 0,
        disk_mib=math.ceil(footprint.disk_mib * DISK_HEADROOM),
    )


def gib(mebibytes: int) -> str:
    """As people read it: one decimal, rounded up, so that nobody plans with too little."""
    return f"{math.ceil(mebibytes / 1024 * 10) / 10:.1f} GiB"
