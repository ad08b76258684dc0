"""Labels, taints and GPUs of a pool's nodes, declared once: for Azure, and for what Kubernetes places there (pure)."""

from __future__ import annotations

from components.targets.kubernetes.site import NodePool, Taint
from components.targets.spec import Pool

POOL_LABEL = "slm-pool"
SYSTEM_TAINT = Taint(key="CriticalAddonsOnly", value="true")
GPU_TAINT = Taint(key="sku", value="gpu")
SPOT = "kubernetes.azure.com/scalesetpriority"
SPOT_TAINT = Taint(key=SPOT, value="spot")
GPU_RESOURCE = "nvidia.com/gpu"

MAX_PIDS = 4096
"""Processes of one pod: Kubernetes has no limit of a single container, so the kubelet's is the one there is."""


def labels_of(name: str, pool: Pool) -> dict[str, str]:
    """Labels of a pool's nodes. AKS puts spot's on by itself; undeclared, every refresh would show a difference."""
    return {POOL_LABEL: name} | ({SPOT: "spot"} if pool.spot else {})


def taints_of(pool: Pool) -> tuple[Taint, ...]:
    """Taints of a pool's nodes, spot's as well for the same reason."""
    own = (SYSTEM_TAINT,) if pool.mode == "system" else (GPU_TAINT,) if pool.gpus else ()
    return own + ((SPOT_TAINT,) if pool.spot else ())


def node_pool(name: str, pool: Pool) -> NodePool:
    """The pool as the Kubernetes target knows it."""
    return NodePool(
        name=name,
        labels=labels_of(name, pool),
        taints=taints_of(pool),
        gpus=pool.offered,
        gpu_resource=pool.mig.resource if pool.mig else GPU_RESOURCE,
        max_nodes=pool.max_nodes,
        spot=pool.spot,
        max_pids=MAX_PIDS,
    )
