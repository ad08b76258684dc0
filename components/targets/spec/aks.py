"""An Azure Kubernetes Service cluster as the stack file describes it."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from components.catalog.azure import azure
from components.targets.spec.aks_network import Network, closed
from components.targets.spec.aks_parts import Guid, KeyVault, Maintenance, Protect, Registry, Retain
from components.targets.spec.aks_pools import AUTO, Pool, PoolName
from components.workload import Name, Value

__all__ = ["AUTO", "Aks", "KeyVault", "Maintenance", "Network", "Pool", "PoolName", "Protect", "Registry", "Retain"]

CIDRS = "IPv4 ranges in CIDR form, 203.0.113.0/24"
_OFF_SWITCHES = {
    "local_accounts": "local accounts are always off (control 56): whoever held their certificate would be nobody",
    "network_policy": "network policies are always enforced (control 57), by Cilium",
    "node_public_ip": "nodes never have public addresses (control 57)",
    "azure_policy": "the Azure Policy add-on is always on (control 59)",
    "workload_identity": "workload identity is always on (control 58)",
}


class Aks(Value):
    """An Azure Kubernetes Service cluster that the stack itself makes, with all that it needs.

    The API server has a private address unless `private` is false; then `authorized_ranges` says who may reach it.
    With `vnet_integration` nodes reach it inside the network, without a tunnel. `admin_group_ids` are groups of Entra
    whose members administer the cluster; `login` is how kubelogin gets a token where `pulumi up` runs.
    `exposure`: the gateway behind an internal load balancer, public to `source_ranges` only, or not outside at all.
    `vault` keeps secrets that pods get as files; without it they are Secret objects of the cluster. `kms`: what etcd
    keeps is encrypted with a key of the vault. `storage`: disks hold what one node uses, files what several do.
    """

    kind: Literal["aks"] = "aks"
    location: str = Field(pattern=r"^[a-z]+[a-z0-9]*$", description="Azure region, such as westeurope")
    subscription_id: Guid | None = Field(None, description="refuses any other; by default the one you are logged in to")
    namespace: Name = "slm"
    kubernetes_version: str = Field("1.34", pattern=r"^1\.[0-9]{2}$", description="minor version; AKS adds patches")
    tier: Literal["Free", "Standard", "Premium"] = "Standard"
    private: bool = True
    authorized_ranges: tuple[str, ...] = Field((), description=CIDRS)
    vnet_integration: bool = True
    admin_group_ids: tuple[Guid, ...] = ()
    login: Literal["azurecli", "workloadidentity", "msi"] = "azurecli"
    network: Network = Network()
    pools: dict[PoolName, Pool] = Field(min_length=1)
    storage: Literal["disk", "files"] = "disk"
    exposure: Literal["none", "internal", "public"] = "internal"
    source_ranges: tuple[str, ...] = Field((), description=CIDRS)
    vault: KeyVault | None = None
    registry: Registry | None = None
    kms: bool = False
    upgrade_channel: Literal["patch", "stable", "rapid", "node-image"] = "patch"
    node_upgrade_channel: Literal["NodeImage", "SecurityPatch"] = "NodeImage"
    maintenance: Maintenance = Maintenance()
    protect: Protect = Protect()
    retain: Retain = Retain()
    adopt: bool = Field(False, description="take over the vault and the data that an earlier teardown retained")
    tags: dict[str, Annotated[str, StringConstraints(max_length=256)]] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _hardening_stays_on(cls, data: Any) -> Any:
        if isinstance(data, dict) and (found := sorted(_OFF_SWITCHES.keys() & data.keys())):
            raise ValueError(f"'{found[0]}': {_OFF_SWITCHES[found[0]]} — remove the line")
        return data

    @field_validator("location")
    @classmethod
    def _is_a_region(cls, location: str) -> str:
        if location not in (known := azure().regions):
            close = get_close_matches(location, known, n=1)
            hint = f"did you mean '{close[0]}'?" if close else "az account list-locations shows them"
            raise ValueError(f"'{location}' is not in the list of Azure's public regions — {hint}")
        return location

    @field_validator("authorized_ranges")
    @classmethod
    def _are_not_everybody(cls, ranges: tuple[str, ...]) -> tuple[str, ...]:
        closed(ranges, "private cluster or explicit ranges")
        return ranges

    @field_validator("source_ranges")
    @classmethod
    def _callers_are_not_everybody(cls, ranges: tuple[str, ...]) -> tuple[str, ...]:
        closed(ranges, "name the ranges of those who call it")
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

    @model_validator(mode="after")
    def _way_in_is_guarded(self) -> Self:
        if self.exposure == "public" and not self.source_ranges:
            raise ValueError("exposure: public without source_ranges lets the whole internet in — name the ranges")
        if self.exposure == "public" and self.vault is None:
            raise ValueError("exposure: public needs its TLS certificate from a vault — add vault")
        if self.exposure != "public" and self.source_ranges:
            raise ValueError(f"exposure: {self.exposure} has no public ranges — remove source_ranges")
        return self

    @model_validator(mode="after")
    def _etcd_has_its_key(self) -> Self:
        if self.kms and (self.vault is None or not self.vault.purge_protection):
            raise ValueError("kms: a cluster whose key is purged is lost — add vault with purge_protection")
        if self.kms and not self.vnet_integration:
            raise ValueError("kms: the control plane reaches a closed vault only from inside — vnet_integration: true")
        return self

    @model_validator(mode="after")
    def _knows_what_it_adopts(self) -> Self:
        if self.adopt and self.subscription_id is None:
            raise ValueError("adopt: what is taken over is named by its subscription — set subscription_id")
        return self

    @model_validator(mode="after")
    def _pools_make_a_cluster(self) -> Self:
        systems = [name for name, pool in self.pools.items() if pool.mode == "system"]
        if len(systems) != 1:
            have = " and ".join(systems) if systems else "none"
            raise ValueError(
                f"pools: the cluster's programs need one pool of their own (here: {have}) — mode: system on one pool"
            )
        if not any(pool.mode == "user" and not pool.gpus for pool in self.pools.values()):
            raise ValueError(
                "pools: the gateway has nowhere to run: the system pool is for the cluster's programs, nodes with GPUs"
                " for engines — add a pool without gpus, such as general: {vm_size: auto, min_nodes: 2, max_nodes: 4}"
            )
        if self.general.spot:
            raise ValueError("pools: the gateway would be taken away with its spot nodes — spot: false for its pool")
        if self.location in azure().no_zones and (zoned := [name for name, pool in self.pools.items() if pool.zones]):
            raise ValueError(f"pools: {self.location} has no zones, and {zoned[0]} names some — remove zones")
        # An upgrade adds one node to a pool for a while.
        if problem := self.network.too_small_for(sum(pool.max_nodes + 1 for pool in self.pools.values())):
            raise ValueError(f"network: {problem}")
        return self

    @property
    def system(self) -> tuple[str, Pool]:
        """The pool of the cluster's own programs, with its name."""
        return next((name, pool) for name, pool in self.pools.items() if pool.mode == "system")

    @property
    def general_name(self) -> str:
        """The pool of everything without a GPU: the first user pool without."""
        return next(name for name, pool in self.pools.items() if pool.mode == "user" and not pool.gpus)

    @property
    def general(self) -> Pool:
        """That pool."""
        return self.pools[self.general_name]

    def pool_for(self, gpus: int) -> str | None:
        """The pool a workload with so many GPUs goes to: the first whose nodes have enough; None when none has."""
        if not gpus:
            return self.general_name
        return next((name for name, pool in self.pools.items() if pool.offered >= gpus), None)

    def zones_of(self, pool: str) -> tuple[str, ...]:
        """The zones of a pool's nodes; empty where they are not spread."""
        chosen = self.pools[pool].zones
        if chosen is None:
            return ("1", "2", "3") if self.location in azure().zones and not self.pools[pool].gpus else ()
        return chosen

    @property
    def upgrades_minor_versions(self) -> bool:
        """Whether Azure itself leaves `kubernetes_version` some day."""
        return self.upgrade_channel in ("stable", "rapid")

    @property
    def gpus(self) -> int:
        """What engines can ask for of all pools together at their largest: GPUs, or instances of cut ones."""
        return sum(pool.offered * pool.max_nodes for pool in self.pools.values())

    @property
    def where(self) -> str:
        """The place in a few words, for tables and messages."""
        return f"AKS in {self.location}"
