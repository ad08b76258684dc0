"""Node pools of an AKS cluster as the stack file describes them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from components.catalog.azure import azure
from components.catalog.hardware import Gpu, Mig, MigProfile, VmSize, hardware
from components.workload import Value

PoolName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{0,11}$")]
"""AKS allows pool names of at most 12 lower-case letters and digits."""

AUTO = "auto"
"""Instead of a VM size: the cheapest that fits what runs on the pool."""

OsSku = Literal["Ubuntu", "Ubuntu2204", "AzureLinux3"]
_OLD_LINUX = {"AzureLinux", "CBLMariner", "Mariner"}


class Pool(Value):
    """A node pool that grows and shrinks between `min_nodes` and `max_nodes`.

    `vm_size` is an Azure VM size, or `auto`: the cheapest one that fits what will run there. `mode` system is for the
    cluster's own programs only; everything of the stack runs on user pools. `gpus` are those of one node.
    `mig_profile` cuts every GPU into instances, and an engine with `gpus: 1` gets one of them. `spot` nodes cost less
    and are taken away at any moment. `zones` by default: all of the region's for a pool without GPUs, none for one
    with, because a GPU size is seldom in every zone. `os_disk_gib` has to hold the images of the engines.
    """

    vm_size: str = Field(pattern=r"^(auto|Standard_[A-Za-z0-9_]+)$", description="Azure VM size, or auto")
    mode: Literal["system", "user"] = "user"
    gpus: int = Field(0, ge=0, le=16, description="GPUs of one node of this size")
    min_nodes: int = Field(0, ge=0, le=1000)
    max_nodes: int = Field(1, ge=1, le=1000)
    spot: bool = False
    zones: tuple[Literal["1", "2", "3"], ...] | None = None
    mig_profile: MigProfile | None = None
    os_sku: OsSku = "Ubuntu"
    os_disk_gib: int = Field(128, ge=30, le=2048)

    @field_validator("vm_size")
    @classmethod
    def _is_not_retired(cls, vm_size: str) -> str:
        if row := azure().retired_size(vm_size):
            raise ValueError(f"{vm_size} cannot be had: {row.reason} — use {row.instead}")
        return vm_size

    @field_validator("os_sku", mode="before")
    @classmethod
    def _is_supported(cls, os_sku: Any) -> Any:
        if os_sku in _OLD_LINUX:
            raise ValueError(f"{os_sku} gets no security updates since November 2025 — use AzureLinux3 or Ubuntu")
        if isinstance(os_sku, str) and os_sku.startswith("Windows"):
            raise ValueError("the engines' images are for Linux — use Ubuntu or AzureLinux3")
        return os_sku

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.min_nodes > self.max_nodes:
            raise ValueError(
                f"min_nodes {self.min_nodes} is above max_nodes {self.max_nodes} — swap or raise max_nodes"
            )
        return self

    @model_validator(mode="after")
    def _carries_the_cluster(self) -> Self:
        if self.mode != "system":
            return self
        if self.spot:
            raise ValueError(
                "spot nodes are taken away at any moment, and the cluster's own programs with them — spot: false for"
                " the system pool"
            )
        if self.min_nodes < 1:
            raise ValueError("without a system node the cluster's own programs have nowhere to run — min_nodes: 1")
        if self.gpus:
            raise ValueError("GPUs of a system pool would serve nobody — give them a user pool of their own")
        return self

    @model_validator(mode="after")
    def _gpus_are_those_of_the_size(self) -> Self:
        if self.vm_size == AUTO:
            counts = sorted({row.gpus for row in hardware().vm_sizes.values()})
            if self.gpus not in counts:
                raise ValueError(f"no VM size is known with {self.gpus} GPUs — use {', '.join(map(str, counts))}")
            return self
        size = self.size
        if size is None and self.gpus:
            known = ", ".join(name for name, row in hardware().vm_sizes.items() if row.gpus)
            raise ValueError(f"{self.vm_size} is not in the list of sizes with GPUs — use one of {known}")
        if size is not None and size.gpus != self.gpus:
            says = f"gpus: {self.gpus}" if self.gpus else "no gpus"
            has = f"{size.gpus}" if size.gpus else "none"
            raise ValueError(f"the pool says {says}, and a {self.vm_size} has {has} — set gpus: {size.gpus}")
        return self

    @model_validator(mode="after")
    def _can_be_cut(self) -> Self:
        if self.mig_profile is None:
            return self
        if self.vm_size == AUTO:
            raise ValueError("mig_profile belongs to a certain GPU, and vm_size: auto may choose any — name the size")
        if self.gpu is None or self.mig_profile not in self.gpu.mig:
            able = ", ".join(
                name for name, row in hardware().vm_sizes.items() if row.gpu and hardware().gpus[row.gpu].mig
            )
            raise ValueError(f"a {self.vm_size} has no GPU that {self.mig_profile} could cut — use one of {able}")
        return self

    @property
    def size(self) -> VmSize | None:
        """The catalogue's row of its VM size; None for `auto` and for sizes nobody described."""
        return hardware().vm_sizes.get(self.vm_size)

    @property
    def gpu(self) -> Gpu | None:
        """One of its GPUs, uncut; None where it has none or is not known."""
        return hardware().gpus[self.size.gpu] if self.size and self.size.gpu else None

    @property
    def mig(self) -> Mig | None:
        """What each GPU is cut into, if it is."""
        return self.gpu.mig[self.mig_profile] if self.gpu and self.mig_profile else None

    @property
    def offered(self) -> int:
        """What an engine can ask for on one node: GPUs, or instances of cut ones."""
        return self.gpus * (self.mig.instances if self.mig else 1)
