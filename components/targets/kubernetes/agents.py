"""What a few programs may see of a cluster's nodes beyond their own pod (pure).

Nothing else may: a workload is an agent only by what the plan says of its surroundings. Who needs a path of the node
lives in a namespace of its own (control 41); who only asks kubelets needs no path, and stays with the stack.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.targets.kubernetes.names import Manifest, Names
from components.targets.placement import UnsupportedError, View
from components.workload import Workload

TOKEN_DIRECTORY = "/var/run/slm-token"  # noqa: S105 - a directory
TOKEN_SECONDS = 3600
KUBELET_PORT = 10250
NODE_ADDRESS = "NODE_ADDRESS"
"""The variable by which a pod is told its own node's address."""


@dataclass(frozen=True)
class NodePath:
    """A path of the node at a path of the container, for reading only, and as whom it can be read."""

    node: str
    path: str
    user: int | None
    group: int


_PATHS: dict[View, NodePath] = {
    # Container runtimes write logs for root and for root's group (0640): nobody has to be root to read them.
    "container-logs": NodePath("/var/log/pods", "/logs", user=None, group=0),
    # The kubelet's socket is root's alone. Without any capability, its owner can open it and do nothing else.
    "gpu-users": NodePath("/var/lib/kubelet/pod-resources", "/var/lib/kubelet/pod-resources", user=0, group=0),
}
_HERE = (*_PATHS, "own-kubelet", "kubelets", None)


def as_agent(workload: Workload, view: View | None) -> Workload:
    """The workload as it runs on a cluster: as whoever may read what it shall see.

    Raises UnsupportedError for a view that only another kind of target has.
    """
    if view not in _HERE:
        raise UnsupportedError(
            f"workload '{workload.name}' wants to see a machine's {view}, and nodes of a cluster do not show that — run"
            " it on a docker target"
        )
    seen = _PATHS.get(view) if view else None
    if seen is None:
        return workload
    # No description can ask for root (`Workload.user`); it is this target that knows whose files these are.
    user = workload.user if seen.user is None else seen.user
    return workload.model_copy(update={"user": user, "group": seen.group})


def view_volumes(view: View | None) -> tuple[list[Manifest], list[Manifest]]:
    """The pod's volumes with what it sees, and where they are mounted."""
    if view == "kubelets":
        # A token of its own that ends within the hour; the one that every pod could be given stays off (control 26).
        token = {"serviceAccountToken": {"path": "token", "expirationSeconds": TOKEN_SECONDS}}
        volume: Manifest = {"name": "token", "projected": {"sources": [token], "defaultMode": 0o440}}
        return [volume], [{"name": "token", "mountPath": TOKEN_DIRECTORY, "readOnly": True}]
    seen = _PATHS.get(view) if view else None
    if seen is None:
        return [], []
    volume = {"name": "node", "hostPath": {"path": seen.node, "type": "Directory"}}
    return [volume], [{"name": "node", "mountPath": seen.path, "readOnly": True}]


def view_variables(view: View | None) -> list[Manifest]:
    """Variables that only the cluster can fill."""
    if view != "own-kubelet":
        return []
    return [{"name": NODE_ADDRESS, "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}]


def view_egress(view: View | None, names: Names) -> list[Manifest]:
    """Where it may go for what it sees: nodes have no labels that a policy knows, so it is their range of addresses."""
    if view != "own-kubelet":
        return []
    blocks = [{"ipBlock": {"cidr": cidr}} for cidr in names.site.node_ranges]
    return [{"to": blocks, "ports": [{"protocol": "TCP", "port": KUBELET_PORT}]}]


def view_rights(workload: Workload, view: View | None, names: Names) -> list[Manifest]:
    """What it may ask of kubelets: their figures, and nothing else (control 26).

    Nodes are in no namespace, so that a Role cannot name them.
    """
    if view != "kubelets":
        return []
    # The cluster knows such roles by one list, so the namespace is part of the name.
    role = f"{names.namespace}-{workload.name}-kubelets"
    meta = {"name": role, "labels": names.labels(workload.name)}
    group = "rbac.authorization.k8s.io"
    return [
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRole",
            "metadata": meta,
            "rules": [{"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]}],
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": workload.name, "namespace": names.namespace}],
        },
    ]
