"""What the Kubernetes target must know of a cluster before it places a workload there (pure).

A stack file's `kind: kubernetes` says all of it; an AKS target makes it from its own pools and identities.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.workload import Name, Value

Effect = Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]
Exposed = Literal["none", "internal", "public"]


PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
"""Where networks of sites and clusters are."""


class Taint(Value):
    """What keeps other pods off a node; a pod placed there tolerates exactly it."""

    key: str
    value: str = ""
    effect: Effect = "NoSchedule"


class NodePool(Value):
    """Nodes of one kind. `labels` choose them, `taints` are tolerated by what is placed there.

    `gpus` and `gpu_resource` are what one node offers (`nvidia.com/gpu`, or a MIG profile's resource); `max_nodes` is
    None where nobody said how far the pool may grow. `runtime_class` is for nodes whose container runtime hands out
    GPUs to pods of that class only. `max_pids` is the limit on processes its kubelets give every pod.
    """

    name: str
    labels: dict[str, str] = Field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    gpus: int = Field(0, ge=0)
    gpu_resource: str = "nvidia.com/gpu"
    max_nodes: int | None = Field(None, ge=1)
    spot: bool = False
    runtime_class: str | None = None
    max_pids: int | None = Field(None, ge=1)

    @property
    def capacity(self) -> int | None:
        """GPUs of all its nodes at their most; None where its size is not known."""
        return None if self.max_nodes is None else self.gpus * self.max_nodes

    def slots(self, gpus: int) -> int | None:
        """How many pods with `gpus` GPUs each fit on all its nodes at their most: a pod's GPUs are on one node.

        None where the pool's size is not known.
        """
        return None if self.max_nodes is None else (self.gpus // gpus) * self.max_nodes


class Vault(Value):
    """An Azure Key Vault whose secrets pods get as files, by the CSI driver and a workload identity."""

    name: str


class Egress(Value):
    """A range of addresses, and a port there, that workloads with a way out may reach besides the internet."""

    cidr: str = Field(pattern=r"^[0-9.]+/[0-9]{1,2}$")
    port: int = Field(443, ge=1, le=65535)


class Elsewhere(Value):
    """A workload of a stack's graph that the cluster itself runs: its pods are there, with these labels."""

    namespace: str
    labels: dict[str, str] = Field(min_length=1)


class ClusterSite(Value):
    """A cluster, as far as workloads placed on it are concerned.

    Workloads with GPUs go to the first pool whose nodes have enough of them, the others to `general`. `exposure`: the
    gateway stays inside the cluster (`none`), behind an internal load balancer, or public to `source_ranges` only.
    Without `vault`, secret files come from Secret objects whose content the stack's configuration holds.

    `storage_class` and `storage_access` are of the volumes that weights lie in: ReadWriteOnce ones are mounted by one
    node at a time, so everything that uses one of them shares a node. `data_class` is for what one pod alone writes;
    it must be a disk, since a database does not survive a file share's locks. Without a class, the cluster's default.
    `keep_volumes`: what a workload wants kept survives a teardown, and with it the namespace.
    `keda_namespace` is where KEDA runs, None where there is none; `vertical_pod_autoscaler` whether there is one, whose
    recommendations are then asked for. `node_ranges` are where its nodes' own addresses are, for monitoring to ask
    their kubelets. `elsewhere` are callers of workloads that are not the stack's own, by the names they
    have in its graph. `cluster_domain` ends the names of its services.
    """

    namespace: Name
    general: NodePool = NodePool(name="general")
    gpu_pools: tuple[NodePool, ...] = ()
    storage_class: str | None = None
    storage_access: Literal["ReadWriteOnce", "ReadWriteMany"] = "ReadWriteOnce"
    data_class: str | None = None
    keep_volumes: bool = True
    exposure: Exposed = "none"
    source_ranges: tuple[str, ...] = ()
    load_balancer_annotations: dict[str, str] = Field(default_factory=dict)
    egress: tuple[Egress, ...] = ()
    vault: Vault | None = None
    keda_namespace: str | None = None
    vertical_pod_autoscaler: bool = False
    node_ranges: tuple[str, ...] = PRIVATE
    elsewhere: dict[Name, Elsewhere] = Field(default_factory=dict)
    cluster_domain: str = Field("cluster.local", pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
    pod_security_version: str = Field("v1.34", pattern=r"^v1\.[0-9]+$")
