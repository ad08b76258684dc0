"""What the Kubernetes target must know of a cluster before it places a workload there (pure).

A stack file's `kind: kubernetes` says all of it; an AKS target makes it from its own pools and identities.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.workload import Name, Value

Effect = Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]
Exposed = Literal["none", "internal", "public"]


class Taint(Value):
    """What keeps other pods off a node; a pod placed there tolerates exactly it."""

    key: str
    value: str = ""
    effect: Effect = "NoSchedule"


class NodePool(Value):
    """Nodes of one kind. `labels` choose them, `taints` are tolerated by what is placed there.

    `gpus` and `gpu_resource` are what one node offers (`nvidia.com/gpu`, or a MIG profile's resource); `max_nodes` is
    None where nobody said how far the pool may grow.
    """

    name: str
    labels: dict[str, str] = Field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    gpus: int = Field(0, ge=0)
    gpu_resource: str = "nvidia.com/gpu"
    max_nodes: int | None = Field(None, ge=1)
    spot: bool = False

    @property
    def capacity(self) -> int | None:
        """GPUs of all its nodes at their most; None where its size is not known."""
        return None if self.max_nodes is None else self.gpus * self.max_nodes


class Vault(Value):
    """An Azure Key Vault whose secrets pods get as files, by the CSI driver and a workload identity of the cluster's."""

    name: str


class ClusterSite(Value):
    """A cluster, as far as workloads placed on it are concerned.

    Workloads with GPUs go to the first pool whose nodes have enough of them, the others to `general`. `exposure`: the
    gateway stays inside the cluster (`none`), behind an internal load balancer, or public to `source_ranges` only.
    `registry` is where images that this site builds were pushed. Without `vault`, secret files come from Secret
    objects whose content the stack's configuration holds.
    """

    namespace: Name
    general: NodePool = NodePool(name="general")
    gpu_pools: tuple[NodePool, ...] = ()
    storage_class: str | None = None
    storage_access: Literal["ReadWriteOnce", "ReadWriteMany"] = "ReadWriteOnce"
    exposure: Exposed = "none"
    source_ranges: tuple[str, ...] = ()
    load_balancer_annotations: dict[str, str] = Field(default_factory=dict)
    vault: Vault | None = None
    pod_security_version: str = Field("v1.34", pattern=r"^v1\.[0-9]+$")
