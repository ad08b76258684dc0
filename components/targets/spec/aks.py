"""An Azure Kubernetes Service cluster as the stack file describes it."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from components.workload import Value

PoolName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{0,11}$")]
"""AKS allows pool names of at most 12 lower-case letters and digits."""


class Pool(Value):
    """A node pool of an AKS cluster that grows and shrinks between `min_nodes` and `max_nodes`."""

    vm_size: str = Field(pattern=r"^Standard_[A-Za-z0-9_]+$", description="Azure VM size, such as Standard_D4as_v5")
    gpus: int = Field(0, ge=0, le=16, description="GPUs of one node of this size")
    min_nodes: int = Field(0, ge=0, le=1000)
    max_nodes: int = Field(1, ge=1, le=1000)

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.min_nodes > self.max_nodes:
            raise ValueError(
                f"min_nodes {self.min_nodes} is above max_nodes {self.max_nodes} — swap or raise max_nodes"
            )
        return self


class Aks(Value):
    """An Azure Kubernetes Service cluster that the stack itself makes.

    The API server has a private address unless `private` is false; then `authorized_ranges` says who may reach it.
    """

    kind: Literal["aks"] = "aks"
    location: str = Field(pattern=r"^[a-z]+[a-z0-9]*$", description="Azure region, such as westeurope")
    private: bool = True
    authorized_ranges: tuple[str, ...] = Field((), description="IPv4 ranges in CIDR form, 203.0.113.0/24")
    pools: dict[PoolName, Pool] = Field(min_length=1)

    @field_validator("authorized_ranges")
    @classmethod
    def _are_networks(cls, ranges: tuple[str, ...]) -> tuple[str, ...]:
        for value in ranges:
            try:
                network = IPv4Network(value)
            except ValueError:
                raise ValueError(f"'{value}' is no IPv4 range — write a network address, 203.0.113.0/24") from None
            if network.prefixlen == 0:
                raise ValueError("0.0.0.0/0 lets the whole internet in — private cluster or explicit ranges")
        return ranges

    @model_validator(mode="after")
    def _api_is_not_open_to_all(self) -> Self:
        if not self.private and not self.authorized_ranges:
            raise ValueError(
                "the API server would be open to the internet — private cluster or explicit ranges "
                "(private: true, or authorized_ranges)"
            )
        if self.private and self.authorized_ranges:
            raise ValueError("a private API server has no public ranges — remove authorized_ranges or private: true")
        return self

    @property
    def gpus(self) -> int:
        """GPUs of all pools together at their largest."""
        return sum(pool.gpus * pool.max_nodes for pool in self.pools.values())

    @property
    def where(self) -> str:
        """The place in a few words, for tables and messages."""
        return f"AKS in {self.location}"

    @property
    def undeployable(self) -> str | None:
        return "a target of kind aks cannot be deployed to yet"
