"""The cluster as the Kubernetes target must know it, made of its settings (pure)."""

from __future__ import annotations

from components.targets.aks.nodes import node_pool
from components.targets.aks.storage import DATA_CLASS, WEIGHTS_CLASS
from components.targets.aks.watched import AGENT
from components.targets.kubernetes.site import ClusterSite, Vault
from components.targets.spec import Aks

KEDA_NAMESPACE = "kube-system"
"""Where AKS runs its KEDA."""

INTERNAL = {"service.beta.kubernetes.io/azure-load-balancer-internal": "true"}
"""Makes Azure's load balancer one with an address of the nodes' subnet."""

PUBLIC = {"service.beta.kubernetes.io/azure-load-balancer-tcp-idle-timeout": "30"}
"""Minutes; an answer that is being written must not be cut because nothing was said for four."""


def site_of(spec: Aks, *, managed: bool = False) -> ClusterSite:
    """What workloads find on the cluster. `managed`: Azure's Prometheus is there in the place of the stack's own."""
    return ClusterSite(
        namespace=spec.namespace,
        general=node_pool(spec.general_name, spec.general),
        gpu_pools=tuple(node_pool(name, pool) for name, pool in spec.pools.items() if pool.gpus),
        storage_class=WEIGHTS_CLASS,
        storage_access="ReadWriteMany" if spec.storage == "files" else "ReadWriteOnce",
        data_class=DATA_CLASS,
        keep_volumes=spec.retain.data,
        exposure=spec.exposure,
        source_ranges=spec.source_ranges,
        load_balancer_annotations=annotations_of(spec),
        vault=Vault(name=spec.vault.name) if spec.vault else None,
        keda_namespace=KEDA_NAMESPACE,
        vertical_pod_autoscaler=True,
        elsewhere={"prometheus": AGENT} if managed else {},
        pod_security_version=f"v{spec.kubernetes_version}",
    )


def annotations_of(spec: Aks) -> dict[str, str]:
    """Annotations of the gateway's Service."""
    if spec.exposure == "none":
        return {}
    return PUBLIC | (INTERNAL if spec.exposure == "internal" else {})
