"""Volumes of a workload: shared ones that jobs fill, its own ones, and directories in memory (pure)."""

from __future__ import annotations

import math
import re

from components.targets.kubernetes.names import Manifest, Names, content_hash
from components.workload import Volume, Workload

SKIP_AWAIT = {"pulumi.com/skipAwait": "true"}
"""A claim is bound when its first pod comes: whoever waited for that before making the pod would wait for ever."""


def own_volumes(workload: Workload) -> tuple[Volume, ...]:
    """What this service alone writes, and nobody fills: each of its copies has one for itself."""
    if workload.is_job:
        return ()
    return tuple(v for v in workload.volumes if not v.read_only and not v.fill)


def shared_volumes(workload: Workload) -> tuple[Volume, ...]:
    """What it mounts beside others: the jobs that fill it, and workloads of the same content."""
    own = {volume.name for volume in own_volumes(workload)}
    return tuple(v for v in workload.volumes if v.name not in own)


def claim_name(volume: Volume, names: Names) -> str:
    """The name of the claim of a volume that jobs fill. What many nodes may mount has another one: a claim stays what
    it was made as, so a stack whose storage changes needs a new one, filled anew.
    """
    return volume.name if names.site.storage_access == "ReadWriteOnce" else f"{volume.name}-shared"


def claim(volume: Volume, names: Names) -> Manifest:
    """The claim of a volume that jobs fill."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": names.metadata(claim_name(volume, names), annotations=SKIP_AWAIT),
        "spec": _claim_spec(volume, names.site.storage_access, names.site.storage_class),
    }


def claim_template(volume: Volume, names: Names, workload: Workload) -> Manifest:
    """The claim that each copy of a StatefulSet has for itself."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": template_name(volume), "labels": names.labels(workload.name)},
        "spec": _claim_spec(volume, "ReadWriteOnce", names.site.data_class),
    }


def template_name(volume: Volume) -> str:
    """A name that stays while the volume's may change: Kubernetes never lets a StatefulSet have other claims."""
    name = re.sub(r"[^a-z0-9]+", "-", volume.path.lower()).strip("-")
    return name if name and len(name) <= 40 else f"volume-{content_hash(volume.path)}"


def _claim_spec(volume: Volume, access: str, storage_class: str | None) -> Manifest:
    spec: Manifest = {
        "accessModes": [access],
        "volumeMode": "Filesystem",
        "resources": {"requests": {"storage": f"{math.ceil(volume.size_gib)}Gi"}},
    }
    return {**spec, "storageClassName": storage_class} if storage_class else spec


def data_volumes(workload: Workload, names: Names) -> tuple[list[Manifest], list[Manifest]]:
    """The pod's shared volumes, and where these and its own ones are mounted.

    In a claim of its own the content lies in a folder of the volume's name: what was written under another name, which
    means by another version, is not seen by this one.
    """
    volumes, mounts = [], []
    for volume in shared_volumes(workload):
        claimed = {"claimName": claim_name(volume, names)}
        volumes.append({"name": volume.name, "persistentVolumeClaim": claimed})
        mounts.append({"name": volume.name, "mountPath": volume.path, "readOnly": volume.read_only})
    for volume in own_volumes(workload):
        mounts.append(
            {"name": template_name(volume), "mountPath": volume.path, "readOnly": False, "subPath": volume.name}
        )
    return volumes, mounts


def memory_volumes(workload: Workload) -> tuple[list[Manifest], list[Manifest]]:
    """Writable directories in memory, shared memory among them, each with its limit.

    Kubernetes cannot forbid running programs from them, as `noexec` does on a Docker engine.
    """
    wanted = [("shm", "/dev/shm", workload.resources.shm_mib)]  # noqa: S108
    wanted += [(f"scratch-{number}", scratch.path, scratch.size_mib) for number, scratch in enumerate(workload.scratch)]
    volumes = [{"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": f"{mib}Mi"}} for name, _, mib in wanted]
    return volumes, [{"name": name, "mountPath": path} for name, path, _ in wanted]


def memory_mib(workload: Workload) -> int:
    """The pod's memory in MiB: the workload's own, and its directories in memory, which count as its container's."""
    return workload.resources.memory_mib + workload.resources.shm_mib + sum(s.size_mib for s in workload.scratch)
