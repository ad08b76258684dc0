"""What keeps a workload's pods running: a Deployment, a StatefulSet or a Job, chosen by what the workload is (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.targets.kubernetes.names import Manifest, Names, content_hash
from components.targets.kubernetes.pod import pod_template
from components.targets.kubernetes.pools import job_pool, pool_of, shared_disks
from components.targets.kubernetes.rollout import can_surge, job_seconds, progress_seconds, strategy
from components.targets.kubernetes.storage import claim_template, own_volumes, shared_volumes
from components.targets.placement import Surroundings, UnsupportedError
from components.workload import Volume, Workload

REVISIONS = 5
"""Old versions that `kubectl rollout undo` can go back to."""

JOB_RETRIES = 2
MIN_READY_SECONDS = 5
"""A copy of what is exposed must have been ready this long before an old one goes: load balancers look twice."""


def controller(
    workload: Workload, around: Surroundings, names: Names, annotations: Mapping[str, Any] | None = None
) -> Manifest:
    """The Deployment of a service; a StatefulSet where each copy has storage of its own, a DaemonSet for every node.

    `annotations` are what a change of must start new pods for. Raises UnsupportedError for what this cluster cannot do.
    """
    _one_node_is_enough(workload, around, names)
    pool = pool_of(workload, names.site)
    common: Manifest = {
        "selector": {"matchLabels": names.selector(workload.name)},
        "template": pod_template(workload, around, pool, names, annotations),
        "revisionHistoryLimit": REVISIONS,
    }
    if around.on_each:
        return _daemon_set(workload, common, names)
    if not around.scale.moves:
        # Where an autoscaler decides the number, writing it here would undo its decision at every deployment.
        common["replicas"] = around.scale.least
    if around.exposure:
        common["minReadySeconds"] = MIN_READY_SECONDS
    if own := own_volumes(workload):
        return _stateful_set(workload, own, common, names)
    bound = bool(shared_disks(shared_volumes(workload), names.site))
    surge = can_surge(workload.gpus, around.scale.most, pool, around.other_gpus, bound_to_node=bound)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": names.metadata(workload.name, workload.name),
        "spec": {**common, "progressDeadlineSeconds": progress_seconds(workload), "strategy": strategy(surge)},
    }


def _daemon_set(workload: Workload, common: Manifest, names: Names) -> Manifest:
    """Raises UnsupportedError for a workload with storage of its own, which cannot follow it to every node."""
    if workload.volumes:
        raise UnsupportedError(
            f"workload '{workload.name}' runs on every node of namespace '{names.namespace}', and its volume"
            f" '{workload.volumes[0].name}' cannot be on all of them — give it scratch space instead"
        )
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": names.metadata(workload.name, workload.name),
        "spec": {**common, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%"}}},
    }


def _stateful_set(workload: Workload, own: tuple[Volume, ...], common: Manifest, names: Names) -> Manifest:
    kept = "Retain" if names.site.keep_volumes and any(volume.keep for volume in own) else "Delete"
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": names.metadata(workload.name, workload.name),
        "spec": {
            **common,
            "serviceName": workload.name,
            # Copies know nothing of each other, so they need not start one after the other.
            "podManagementPolicy": "Parallel",
            # An old copy makes way before a new one starts: it holds the storage, and perhaps the last GPU.
            "updateStrategy": {"type": "RollingUpdate"},
            "volumeClaimTemplates": [claim_template(volume, names, workload) for volume in own],
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": kept, "whenScaled": "Retain"},
        },
    }


def _one_node_is_enough(workload: Workload, around: Surroundings, names: Names) -> None:
    disks = shared_disks(shared_volumes(workload), names.site)
    if around.scale.most > 1 and disks and pool_of(workload, names.site).max_nodes != 1:
        raise UnsupportedError(
            f"workload '{workload.name}' shall run {around.scale.most} times, and volume '{disks[0].name}' can be"
            f" mounted by one node only (ReadWriteOnce), so the copies could not be spread in namespace"
            f" '{names.namespace}' — use storage that many nodes mount (ReadWriteMany), or one copy"
        )


def job(job: Workload, owner: Workload, volume: Volume, names: Names) -> Manifest:
    """A job that fills `volume` for `owner`.

    A Job can never be changed, so its name holds a digest of what it is: another content is another Job, and the same
    one is not run again. A new `revision` of the volume runs all its jobs again.
    """
    pool = job_pool(owner, job, volume, names.site)
    annotations = {"slm.volume/revision": volume.revision} if volume.revision else None
    spec: Manifest = {
        "backoffLimit": JOB_RETRIES,
        "activeDeadlineSeconds": job_seconds(job),
        "completions": 1,
        "parallelism": 1,
        "template": pod_template(job, Surroundings(), pool, names, annotations),
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": names.metadata(f"{job.name}-{content_hash(spec)}", job.name),
        "spec": spec,
    }


def disruption_budget(workload: Workload, names: Names) -> Manifest:
    """One copy at a time may be taken away (control 35): with a single copy that is it, or no node could be drained.

    A copy that is not healthy anyway never holds a drain up.
    """
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": names.metadata(workload.name, workload.name),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": names.selector(workload.name)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
