"""What every pod is held to, service or job; the numbers are security controls (pure)."""

from __future__ import annotations

from components.targets.kubernetes.names import Manifest, Names
from components.workload import Workload

POD_SECURITY = "pod-security.kubernetes.io"
LEVEL = "restricted"


def pod_security_labels(version: str, enforced: str = LEVEL) -> dict[str, str]:
    """The labels by which a namespace refuses pods that are not `restricted` as of a pinned version (control 22).

    Where less is `enforced`, because programs of the nodes are there, everything else that comes is still reported.

    Without the version, an upgrade of the cluster could refuse tomorrow what it admits today.
    """
    labels = {}
    for mode in ("enforce", "audit", "warn"):
        labels[f"{POD_SECURITY}/{mode}"] = enforced if mode == "enforce" else LEVEL
        labels[f"{POD_SECURITY}/{mode}-version"] = version
    return labels


def pod_security_context(workload: Workload) -> Manifest:
    """The pod's part (controls 23 and 25). `fsGroup` is what lets its user read volumes and secret files."""
    return {
        "runAsNonRoot": workload.user != 0,
        "runAsUser": workload.user,
        "runAsGroup": workload.group,
        "fsGroup": workload.group,
        # Weights are thousands of megabytes in hundreds of files: their owner is looked at once, at the top.
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security_context(workload: Workload) -> Manifest:
    """The container's part (controls 23 and 24)."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": workload.user != 0,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def service_account(workload: Workload, names: Names) -> Manifest:
    """An identity of its own, of which no pod gets a token by itself (control 26): nothing here talks to the API
    server. Prometheus alone, which kubelets want to know, has one of an hour.
    """
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": names.metadata(workload.name, workload.name),
        "automountServiceAccountToken": False,
    }
