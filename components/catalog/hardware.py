"""GPUs and Azure VM sizes: what sizing knows of the hardware a stack runs on, read once from TOML (pure)."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from components.catalog.place import directory
from components.catalog.prices import LIST_REGION, prices
from components.workload import Value

GpuName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")]
"""The name a stack file gives a GPU: a row of gpus.toml."""

VmSizeName = Annotated[str, StringConstraints(pattern=r"^Standard_[A-Za-z0-9_]+$")]

MigProfile = Literal["MIG1g", "MIG2g", "MIG3g", "MIG4g", "MIG7g"]
"""How Azure names the ways to cut a GPU into instances (MIG)."""

USABLE_SHARE = 0.92
"""Of a MIG instance's nominal memory, as for a card of which nothing better is known."""


class Mig(Value):
    """What a card gives when it is cut by one profile: how many instances, and what NVIDIA calls each (`1g.10gb`)."""

    instances: int = Field(ge=1, le=7)
    profile: str = Field(pattern=r"^[1-7]g\.[0-9]+gb$")
    memory_gib: float = Field(gt=0)

    @property
    def resource(self) -> str:
        """The resource under which Kubernetes counts the instances."""
        return f"nvidia.com/mig-{self.profile}"


class Gpu(Value):
    """One NVIDIA GPU, or the fraction of one that a cloud rents as a whole.

    `memory_gib` is the size it is sold with, `usable_mib` what a program can allocate of it when nothing else runs.
    `bandwidth_gb_s` limits the speed of one answer. `mig`: the profiles it can be cut by (none: it cannot be).
    `shared`: its memory is the host's. `fraction`: other machines use the rest of the card.
    """

    memory_gib: float = Field(gt=0)
    usable_mib: int = Field(gt=0)
    compute_capability: float = Field(ge=5, lt=20)
    bandwidth_gb_s: int = Field(gt=0)
    bf16: bool
    fp8: bool
    mig: dict[MigProfile, Mig] = Field(default_factory=dict)
    shared: bool = False
    fraction: bool = False

    @model_validator(mode="after")
    def _usable_is_less_than_sold(self) -> Self:
        if self.usable_mib >= self.memory_gib * 1024:
            raise ValueError(f"usable_mib {self.usable_mib} is not below the {self.memory_gib:g} GiB it is sold with")
        return self

    def instance(self, profile: MigProfile) -> Gpu:
        """One instance of the card when it is cut by a profile, as a GPU of its own. Raises KeyError."""
        cut = self.mig[profile]
        share = cut.memory_gib / self.memory_gib
        return self.model_copy(
            update={
                "memory_gib": cut.memory_gib,
                "usable_mib": int(cut.memory_gib * 1024 * USABLE_SHARE),
                "bandwidth_gb_s": max(1, int(self.bandwidth_gb_s * share)),
                "mig": {},
                "fraction": True,
            }
        )


class VmSize(Value):
    """An Azure VM size.

    `usd_per_hour` is the list price of one region (prices.toml), so that sizes can be compared; None where it is not
    known. `temporary_gib` is its local disk, None where it has none or nobody knows.
    """

    gpu: GpuName | None = None
    gpus: int = Field(0, ge=0, le=16)
    vcpus: int = Field(ge=1)
    memory_gib: int = Field(ge=1)
    temporary_gib: int | None = Field(None, ge=1)
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


def hardware() -> Hardware:
    """The hardware of this version, read once. Raises ValueError naming the row that is wrong."""
    return _read(directory())


@cache
def _read(folder: Path) -> Hardware:
    tables = {name: tomllib.loads((folder / f"{name}.toml").read_text()) for name in ("gpus", "vm_sizes")}
    listed = {
        name: {**row, "usd_per_hour": prices().vm.get(name, {}).get(LIST_REGION)}
        for name, row in tables["vm_sizes"].items()
    }
    return Hardware.model_validate({"gpus": tables["gpus"], "vm_sizes": listed})
