"""NVIDIA's device plugin tells Kubernetes of a node's GPUs; it has a namespace of its own (control 41) (pure)."""

from __future__ import annotations

from typing import Any

from components.catalog.azure import azure
from components.targets.aks.nodes import POOL_LABEL, taints_of
from components.targets.kubernetes.security import POD_SECURITY, pod_security_labels
from components.targets.spec import Aks

Manifest = dict[str, Any]

NAME = "nvidia-device-plugin"
KUBELET_SOCKETS = "/var/lib/kubelet/device-plugins"
LABELS = {"app.kubernetes.io/name": NAME}
TAKES = {"cpu": "100m", "memory": "256Mi", "ephemeral-storage": "64Mi"}
"""Promised and allowed alike (control 28)."""


def namespace_of(spec: Aks) -> str:
    """Where programs live that need paths of the node."""
    return f"{spec.namespace}-node-agents"


def manifests(spec: Aks) -> list[Manifest]:
    """Everything the plugin needs; nothing for a cluster without GPUs."""
    gpu_pools = {name: pool for name, pool in spec.pools.items() if pool.gpus}
    if not gpu_pools:
        return []
    namespace = namespace_of(spec)
    meta = {"name": NAME, "namespace": namespace, "labels": LABELS}
    return [
        _namespace(spec, namespace),
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta, "automountServiceAccountToken": False},
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {**meta, "name": "default-deny"},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": meta,
            "spec": {
                "selector": {"matchLabels": LABELS},
                "updateStrategy": {"type": "RollingUpdate"},
                "template": {"metadata": {"labels": LABELS}, "spec": _pod(spec, sorted(gpu_pools))},
            },
        },
    ]


def _namespace(spec: Aks, name: str) -> Manifest:
    # The kubelet's sockets are a path of the node, which every level but this one forbids. The labels that only
    # report stay, so that whatever else is put here is seen.
    labels = pod_security_labels(f"v{spec.kubernetes_version}") | {f"{POD_SECURITY}/enforce": "privileged"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _pod(spec: Aks, gpu_pools: list[str]) -> Manifest:
    cut = any(spec.pools[name].mig for name in gpu_pools)
    taints = dict.fromkeys(taint for name in gpu_pools for taint in taints_of(spec.pools[name]))
    return {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "priorityClassName": "system-node-critical",
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": _nodes(gpu_pools)}},
        "tolerations": [{"key": t.key, "operator": "Equal", "value": t.value, "effect": t.effect} for t in taints],
        "containers": [
            {
                "name": NAME,
                "image": azure().node_agents["device-plugin"].pinned,
                "env": [
                    {"name": "MIG_STRATEGY", "value": "mixed" if cut else "none"},
                    # A node whose driver is still being installed is tried again, instead of staying without GPUs.
                    {"name": "FAIL_ON_INIT_ERROR", "value": "true"},
                ],
                "imagePullPolicy": "IfNotPresent",
                "resources": {"requests": TAKES, "limits": TAKES},
                "securityContext": {
                    "allowPrivilegeEscalation": cut,
                    "readOnlyRootFilesystem": True,
                    "seccompProfile": {"type": "RuntimeDefault"},
                    # Instances of a cut GPU are device files that only an administrator of the node may open.
                    "capabilities": {"drop": ["ALL"], **({"add": ["SYS_ADMIN"]} if cut else {})},
                },
                "volumeMounts": [{"name": "sockets", "mountPath": KUBELET_SOCKETS}],
            }
        ],
        "volumes": [{"name": "sockets", "hostPath": {"path": KUBELET_SOCKETS, "type": "Directory"}}],
    }


def _nodes(gpu_pools: list[str]) -> Manifest:
    chosen = {"key": POOL_LABEL, "operator": "In", "values": gpu_pools}
    return {"nodeSelectorTerms": [{"matchExpressions": [chosen]}]}
