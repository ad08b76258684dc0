"""What a stack has once on a cluster: its namespace, what is denied there, and what goes first (pure)."""

from __future__ import annotations

from components.targets.kubernetes.names import Manifest, Names
from components.targets.kubernetes.network import allow_dns, default_deny
from components.targets.kubernetes.pod import FILLING, FRONT, SERVING, priority_class
from components.targets.kubernetes.security import LEVEL, pod_security_labels

_PRIORITIES = {
    FRONT: (100_000, "PreemptLowerPriority", "the way in: without it no engine is reached"),
    SERVING: (50_000, "PreemptLowerPriority", "engines and pages"),
    FILLING: (10_000, "Never", "jobs that fill volumes: they wait"),
}


def namespace(names: Names) -> Manifest:
    """The stack's own namespace, which refuses pods that are not restricted (control 22), or that of its node agents,
    which must have paths of the node and so may have anything, and reports whatever uses that (control 41).
    """
    enforced = "privileged" if names.agents else LEVEL
    labels = names.labels() | pod_security_labels(names.site.pod_security_version, enforced)
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.namespace, "labels": labels}}


def priority_classes(names: Names) -> list[Manifest]:
    """Which pods go first where a node is full; they belong to the cluster, not to the namespace."""
    return [
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": priority_class(names, kind), "labels": names.labels()},
            "value": value,
            "preemptionPolicy": preemption,
            "globalDefault": False,
            "description": f"{names.namespace}: {what}",
        }
        for kind, (value, preemption, what) in _PRIORITIES.items()
    ]


def base_policies(names: Names) -> list[Manifest]:
    """Nothing, and names."""
    return [default_deny(names), allow_dns(names)]
