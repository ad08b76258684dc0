"""GPUs and Azure VM sizes: what sizing knows of the hardware a stack runs on, read once from TOML (pure)."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from components.workload import Value

DIRECTORY = Path(__file__).parent

GpuName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")]
"""The name a stack file gives a GPU: a row of gpus.toml."""

VmSizeName = Annotated[str, StringConstraints(pattern=r"^Standard_[A-Za-z0-9_]+$")]


class Gpu(Value):
    """One NVIDIA GPU, or the fraction of one that a cloud rents as a whole.

    `memory_gib` is the size it is sold with, `usable_mib` what a program can allocate of it when nothing else runs.
    `bandwidth_gb_s` limits the speed of one answer. `mig`: it can be partitioned. `shared`: its memory is the host's.
    `fraction`: other machines use the rest of the card.
    """

    memory_gib: float = Field(gt=0)
    usable_mib: int = Field(gt=0)
    compute_capability: float = Field(ge=5, lt=20)
    bandwidth_gb_s: int = Field(gt=0)
    bf16: bool
    fp8: bool
    mig: bool = False
    shared: bool = False
    fraction: bool = False

    @model_validator(mode="after")
    def _usable_is_less_than_sold(self) -> Self:
        if self.usable_mib >= self.memory_gib * 1024:
            raise ValueError(f"usable_mib {self.usable_mib} is not below the {self.memory_gib:g} GiB it is sold with")
        return self


class VmSize(Value):
    """An Azure VM size. `usd_per_hour` orders sizes by price and is no offer; None where no two sources agree."""

    gpu: GpuName | None = None
    gpus: int = Field(0, ge=0, le=16)
    vcpus: int = Field(ge=1)
    memory_gib: int = Field(ge=1)
    usd_per_hour: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _gpus_have_a_name(self) -> Self:
        if (self.gpu is None) != (self.gpus == 0):
            raise ValueError("gpu and gpus describe one thing: give both")
        return self


class Hardware(Value):
    """All GPUs and VM sizes this version knows."""

    gpus: dict[GpuName, Gpu]
    vm_sizes: dict[VmSizeName, VmSize]

    @model_validator(mode="after")
    def _gpus_of_sizes_are_known(self) -> Self:
        for name, size in self.vm_sizes.items():
            if size.gpu and size.gpu not in self.gpus:
                raise ValueError(f"vm size '{name}': gpus.toml has no '{size.gpu}'")
        return self


@cache
def hardware() -> Hardware:
    """The hardware of this version, read once. Raises ValueError naming the row that is wrong."""
    tables = {name: tomllib.loads((DIRECTORY / f"{name}.toml").read_text()) for name in ("gpus", "vm_sizes")}
    return Hardware.model_validate(tables)
