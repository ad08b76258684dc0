"""A Kubernetes cluster that exists already, as the stack file describes it."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from components.targets.kubernetes.site import PRIVATE, Egress, Taint
from components.targets.spec.paths import FilePath
from components.workload import Name, Value

StorageClass = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]


class ClusterPool(Value):
    """Nodes of one kind: what chooses them, what keeps others off them, and what one of them offers.

    `max_nodes` is how far it may grow, or how many there are; without it, a rollout never counts on a free GPU.
    `gpu_resource` is how the cluster counts GPUs, `runtime_class` what pods must ask for to get one (k3s: nvidia).
    `max_pids` is the kubelet's limit on the processes of a pod (podPidsLimit).
    """

    gpus: int = Field(0, ge=0, le=16, description="GPUs of one node")
    max_nodes: int | None = Field(None, ge=1, le=5000)
    labels: dict[str, str] = Field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    gpu_resource: str = Field("nvidia.com/gpu", pattern=r"^[a-z0-9.-]+/[a-z0-9.-]+$")
    runtime_class: Name | None = None
    max_pids: int | None = Field(None, ge=1)

    @property
    def offered(self) -> int:
        """What an engine can ask for on one node."""
        return self.gpus


def _gpus_of_pools(data: dict[str, Any]) -> int:
    return sum(pool.gpus * (pool.max_nodes or 1) for pool in data.get("pools", {}).values())


class Kubernetes(Value):
    """A cluster that exists already, by a kubeconfig file on the machine that runs the tool: k3s at an edge, or any.

    `pools` are its nodes where they differ: engines with GPUs go to the first pool whose nodes have enough, the rest to
    the first one without. With nodes all alike, `gpus` and `nodes` say how many there are of each.
    `exposure`: the gateway stays inside the cluster (`kubectl port-forward` reaches it), or stands behind an internal
    or public load balancer that only `source_ranges` reach; private networks by default for an internal one.
    `storage_class` and `storage_access` are of the volumes that weights lie in, `data_class` of those that one pod
    alone writes. `keep_volumes`: weights and chats survive a teardown, and with them the namespace. `egress` are
    addresses beside the internet's port 443 that jobs and the gateway may reach: a proxy, a mirror, an endpoint.
    `keda_namespace` is where KEDA runs, if it does; `scaling` of engines needs it. `vertical_pod_autoscaler`: there is
    one, and it shall say what gateway and chat page really need. `node_ranges` are where monitoring finds kubelets.
    """

    kind: Literal["kubernetes"] = "kubernetes"
    kubeconfig: FilePath
    context: str | None = Field(None, min_length=1, description="context of the kubeconfig; its current one by default")
    namespace: Name = "slm"
    pools: dict[Name, ClusterPool] = Field(default_factory=dict)
    gpus: int = Field(default_factory=_gpus_of_pools, ge=0, description="GPUs of all nodes together; pools say it too")
    nodes: int | None = Field(None, ge=1, le=5000, description="how many nodes there are; pools say it too")
    exposure: Literal["none", "internal", "public"] = "none"
    source_ranges: tuple[str, ...] = Field((), description="IPv4 ranges in CIDR form, 203.0.113.0/24")
    load_balancer_annotations: dict[str, str] = Field(default_factory=dict)
    storage_class: StorageClass | None = None
    storage_access: Literal["ReadWriteOnce", "ReadWriteMany"] = "ReadWriteOnce"
    data_class: StorageClass | None = None
    keep_volumes: bool = True
    egress: tuple[Egress, ...] = ()
    keda_namespace: Name | None = None
    vertical_pod_autoscaler: bool = False
    node_ranges: tuple[str, ...] = Field(PRIVATE, min_length=1, description="IPv4 ranges of the nodes' own addresses")
    cluster_domain: str = Field("cluster.local", pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
    pod_security_version: str = Field("v1.34", pattern=r"^v1\.[0-9]+$")

    @model_validator(mode="before")
    @classmethod
    def _pools_say_how_many(cls, data: Any) -> Any:
        pools = data.get("pools") if isinstance(data, dict) else None
        if not pools or not isinstance(pools, dict):
            return data
        if given := sorted({"gpus", "nodes"} & data.keys()):
            raise ValueError(f"{' and '.join(given)} and pools both say what the cluster has — keep pools")
        return data

    @field_validator("source_ranges", "node_ranges")
    @classmethod
    def _are_networks(cls, ranges: tuple[str, ...]) -> tuple[str, ...]:
        for value in ranges:
            try:
                IPv4Network(value)
            except ValueError:
                raise ValueError(f"'{value}' is no IPv4 range — write a network address, 203.0.113.0/24") from None
        return ranges

    @field_validator("egress")
    @classmethod
    def _leads_somewhere(cls, egress: tuple[Egress, ...]) -> tuple[Egress, ...]:
        for allowed in egress:
            try:
                network = IPv4Network(allowed.cidr)
            except ValueError:
                raise ValueError(f"'{allowed.cidr}' is no IPv4 range — write 192.0.2.10/32") from None
            if network.prefixlen < 8:
                raise ValueError(
                    f"'{allowed.cidr}' lets a job reach nearly everything, metadata services among it: deny — name the"
                    " proxy's or mirror's own range"
                )
        return egress

    @model_validator(mode="after")
    def _way_in_is_guarded(self) -> Self:
        if self.exposure == "public" and not self.source_ranges:
            raise ValueError(
                "exposure: public without source_ranges lets the whole internet in — name the ranges of those who call"
            )
        if self.exposure == "none" and self.source_ranges:
            raise ValueError("exposure: none has no load balancer whose callers could be chosen — remove source_ranges")
        return self

    @property
    def all_pools(self) -> dict[str, ClusterPool]:
        """Its pools; one that stands for all nodes where they are alike."""
        if self.pools:
            return dict(self.pools)
        # Which node has how many is not said: a pool of one node that has them all is never smaller than the truth.
        alone = ClusterPool(max_nodes=self.nodes)
        return {"general": alone} | ({"gpu": ClusterPool(gpus=self.gpus, max_nodes=1)} if self.gpus else {})

    def pool_for(self, gpus: int) -> str | None:
        """The pool a workload with so many GPUs goes to: the first whose nodes have enough; None when none has."""
        pools = self.all_pools.items()
        if not gpus:
            return next((name for name, pool in pools if not pool.gpus), None)
        return next((name for name, pool in pools if pool.gpus >= gpus), None)

    @property
    def where(self) -> str:
        """The place in a few words, for tables and messages."""
        return f"{self.kubeconfig}, namespace {self.namespace}"
