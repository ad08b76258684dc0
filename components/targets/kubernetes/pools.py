"""Which nodes a workload is placed on, and what keeps its copies apart or together (pure)."""

from __future__ import annotations

from components.targets.kubernetes.names import Manifest, Names
from components.targets.kubernetes.site import ClusterSite, NodePool
from components.targets.placement import Each, Scale, UnsupportedError
from components.workload import Volume, Workload

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"


def pool_of(workload: Workload, site: ClusterSite) -> NodePool:
    """The nodes it runs on. Raises UnsupportedError where none offers what it needs."""
    pool = site.general if not workload.gpus else _gpu_pool(workload, site)
    if pool.max_pids is not None and workload.resources.pids > pool.max_pids:
        raise UnsupportedError(
            f"workload '{workload.name}' needs {workload.resources.pids} processes, and kubelets of pool"
            f" '{pool.name}' allow a pod {pool.max_pids}: it would die under load — raise the pool's limit"
        )
    return pool


def _gpu_pool(workload: Workload, site: ClusterSite) -> NodePool:
    for pool in site.gpu_pools:
        if pool.gpus >= workload.gpus:
            return pool
    most = max((pool.gpus for pool in site.gpu_pools), default=0)
    raise UnsupportedError(
        f"workload '{workload.name}' wants {workload.gpus} GPUs on one node, and no node of namespace"
        f" '{site.namespace}' has more than {most} — add a pool of larger nodes, or lower gpus"
    )


def job_pool(owner: Workload, job: Workload, volume: Volume, site: ClusterSite) -> NodePool:
    """The nodes a job runs on that fills a volume of `owner`.

    A ReadWriteOnce disk is made where its first pod runs and cannot leave that zone. Filled on other nodes, it could
    lie where no GPU is, and the engine would wait for ever; so the job runs where the engine will. A job that reads
    another disk runs where that one is, which may be under an engine on any of the pools. A share that every node
    mounts is filled on cheap nodes, and no GPU waits for a download.
    """
    if site.storage_access == "ReadWriteMany":
        return pool_of(job, site)
    if any(other.name != volume.name for other in job.volumes):
        taints = {taint: None for pool in (site.general, *site.gpu_pools) for taint in pool.taints}
        return NodePool(name="any", taints=tuple(taints))
    return pool_of(owner, site)


def each_node(each: Each, workload: Workload, site: ClusterSite) -> Manifest:
    """The pod's words that lead a copy of it to every node, or to every node with GPUs, whatever keeps others off.

    Raises UnsupportedError where nothing tells nodes with GPUs from others.
    """
    pools = site.gpu_pools if each == "gpu-machine" else (site.general, *site.gpu_pools)
    choice: Manifest = {"nodeSelector": {"kubernetes.io/os": "linux"}}
    if taints := dict.fromkeys(taint for pool in pools for taint in pool.taints):
        choice["tolerations"] = [_toleration(taint.key, taint.value, taint.effect) for taint in taints]
    if each == "machine":
        return choice
    if bare := [pool.name for pool in pools if not pool.labels]:
        raise UnsupportedError(
            f"workload '{workload.name}' belongs on every node with GPUs, and nothing tells those of pool '{bare[0]}'"
            f" from others (namespace '{site.namespace}') — give the pool labels"
        )
    terms = [
        {"matchExpressions": [{"key": key, "operator": "In", "values": [value]} for key, value in pool.labels.items()]}
        for pool in pools
    ]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    choice["affinity"] = {"nodeAffinity": required}
    if classes := [pool.runtime_class for pool in pools if pool.runtime_class]:
        choice["runtimeClassName"] = classes[0]
    return choice


def node_choice(pool: NodePool) -> Manifest:
    """The pod's words that lead it to the pool's nodes."""
    choice: Manifest = {"nodeSelector": {"kubernetes.io/os": "linux", **pool.labels}}
    if pool.taints:
        choice["tolerations"] = [_toleration(taint.key, taint.value, taint.effect) for taint in pool.taints]
    if pool.runtime_class:
        choice["runtimeClassName"] = pool.runtime_class
    return choice


def _toleration(key: str, value: str, effect: str) -> Manifest:
    return {"key": key, "operator": "Equal", "value": value, "effect": effect}


def spread(workload: Workload, scale: Scale, names: Names) -> list[Manifest]:
    """Copies on different nodes, and in different zones where that can be (control 36); nothing for a single copy."""
    if scale.most < 2:
        return []
    selector = names.selector(workload.name)
    return [_apart(HOSTNAME, "DoNotSchedule", selector), _apart(ZONE, "ScheduleAnyway", selector)]


def _apart(topology: str, unsatisfiable: str, selector: dict[str, str]) -> Manifest:
    return {
        "maxSkew": 1,
        "topologyKey": topology,
        "whenUnsatisfiable": unsatisfiable,
        "labelSelector": {"matchLabels": dict(selector)},
        # Each revision is spread by itself, or a rollout could leave all new copies on one node.
        "matchLabelKeys": ["pod-template-hash"],
        # A node whose taint keeps the copies away is no place where one is missing: with the default, a second copy
        # would wait for ever for an empty GPU node that it may not use.
        "nodeTaintsPolicy": "Honor",
    }


def shared_disks(volumes: tuple[Volume, ...], site: ClusterSite) -> tuple[Volume, ...]:
    """The volumes that only one node can mount at a time, though several pods use them."""
    return volumes if site.storage_access == "ReadWriteOnce" else ()


def disk_labels(disks: tuple[Volume, ...]) -> dict[str, str]:
    """The labels of a pod that say which of these volumes it mounts."""
    return {_disk_label(volume): "mounted" for volume in disks}


def beside_their_disks(disks: tuple[Volume, ...]) -> Manifest:
    """The pod's words that put all pods of a ReadWriteOnce volume on one node.

    The scheduler knows a disk's zone but not where it is attached, and would start a second pod on a node that
    cannot mount it. The first of them may go anywhere: a pod that matches its own rule is not held up by it.
    Only one rule can be a must: where one disk is in use already and another one is not, two of them would hold up the
    pod for ever. It is that of what the pod reads, which others read as well.
    """
    if not disks:
        return {}
    first, *others = (_beside(volume) for volume in sorted(disks, key=lambda volume: not volume.read_only))
    affinity: Manifest = {"requiredDuringSchedulingIgnoredDuringExecution": [first]}
    if others:
        preferred = [{"weight": 100, "podAffinityTerm": term} for term in others]
        affinity["preferredDuringSchedulingIgnoredDuringExecution"] = preferred
    return {"affinity": {"podAffinity": affinity}}


def _beside(volume: Volume) -> Manifest:
    return {"topologyKey": HOSTNAME, "labelSelector": {"matchLabels": {_disk_label(volume): "mounted"}}}


def _disk_label(volume: Volume) -> str:
    return f"slm.volume/{volume.name}"
