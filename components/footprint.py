"""Footprint: the memory and disk an engine needs for a model, before anything exists (pure)."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from components.workload import Value

MIB = 1024 * 1024


class Footprint(Value):
    """What one engine needs for its model, in MiB.

    `weights_mib`, `kv_cache_mib` and `overhead_mib` lie on `device`, where the model runs. `host_mib` is the main
    memory the container needs; all of it when the device is "ram". `disk_mib` is what its weights take on disk,
    with what they are made from. The constants behind each are the engine's own, calibrated by measurement
    (docs/evidence.md).
    """

    weights_mib: int = Field(ge=0)
    kv_cache_mib: int = Field(ge=0)
    overhead_mib: int = Field(ge=0)
    device: Literal["ram", "vram"] = "ram"
    host_mib: int = Field(ge=0)
    disk_mib: int = Field(ge=0)

    @property
    def device_mib(self) -> int:
        """What the model takes where it runs: weights, key-value cache and the engine's own."""
        return self.weights_mib + self.kv_cache_mib + self.overhead_mib


def mib(size_bytes: float) -> int:
    """Bytes as MiB, rounded up."""
    return math.ceil(size_bytes / MIB)
