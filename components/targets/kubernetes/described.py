"""From the description of an existing cluster to what the target must know of it (pure)."""

from __future__ import annotations

from components.targets.kubernetes.site import ClusterSite, NodePool
from components.targets.spec import Kubernetes
from components.targets.spec.kubernetes import ClusterPool


def site_of(spec: Kubernetes) -> ClusterSite:
    """The cluster of a stack file's `kind: kubernetes`."""
    pools = [_node_pool(name, pool) for name, pool in spec.all_pools.items()]
    return ClusterSite(
        namespace=spec.namespace,
        general=next((pool for pool in pools if not pool.gpus), NodePool(name="general")),
        gpu_pools=tuple(pool for pool in pools if pool.gpus),
        storage_class=spec.storage_class,
        storage_access=spec.storage_access,
        data_class=spec.data_class,
        keep_volumes=spec.keep_volumes,
        exposure=spec.exposure,
        source_ranges=spec.source_ranges,
        load_balancer_annotations=spec.load_balancer_annotations,
        egress=spec.egress,
        keda_namespace=spec.keda_namespace,
        vertical_pod_autoscaler=spec.vertical_pod_autoscaler,
        node_ranges=spec.node_ranges,
        cluster_domain=spec.cluster_domain,
        pod_security_version=spec.pod_security_version,
    )


def _node_pool(name: str, pool: ClusterPool) -> NodePool:
    return NodePool(
        name=name,
        labels=pool.labels,
        taints=pool.taints,
        gpus=pool.gpus,
        gpu_resource=pool.gpu_resource,
        max_nodes=pool.max_nodes,
        runtime_class=pool.runtime_class,
        max_pids=pool.max_pids,
    )
