"""Rules for Kubernetes' objects that are no pods: what one object alone shows (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Any

from policies.finding import Finding, value
from policies.objects import AGENTS, Manifest, key
from policies.pod_rules import NO_TOKEN

MODES = ("enforce", "audit", "warn")
LEVEL = "pod-security.kubernetes.io"
VERSION = re.compile(r"^v1\.\d+$")
NAME = "app.kubernetes.io/name"


def namespace_is_restricted(one: Manifest) -> Iterator[Finding]:
    """Control 22; of the agents' namespace it only asks that somebody is told (control 41)."""
    labels = one["metadata"].get("labels") or {}
    name = key(one)
    if str(one["metadata"]["name"]).endswith(AGENTS):
        if {labels.get(f"{LEVEL}/{mode}") for mode in MODES[1:]} != {"restricted"}:
            yield Finding(41, name, "metadata", "anything could be put there unseen", "audit and warn: restricted")
        return
    enforced = labels.get(f"{LEVEL}/enforce-version")
    for mode in MODES:
        if labels.get(f"{LEVEL}/{mode}") != "restricted":
            harm = "pods with rights over the node are admitted, or nobody is told"
            yield Finding(22, name, f"metadata.labels.{mode}", harm, "restricted")
        version = labels.get(f"{LEVEL}/{mode}-version")
        if version != enforced or not VERSION.match(str(version)):
            harm = "an upgrade of the cluster refuses what was admitted"
            yield Finding(22, name, f"metadata.labels.{mode}-version", harm, "pin the version")


def account_has_no_token(one: Manifest) -> Iterator[Finding]:
    """Control 26, for a service account."""
    if one.get("automountServiceAccountToken") is not False:
        yield Finding(26, key(one), "automountServiceAccountToken", NO_TOKEN, "set it to false")


def role_reads_figures(one: Manifest) -> Iterator[Finding]:
    """Control 26, for a role: the only right anything has is to read figures of kubelets."""
    for rule in one.get("rules") or ():
        if [rule.get("resources"), rule.get("verbs")] != [["nodes/metrics"], ["get"]]:
            yield Finding(26, key(one), "rules", "it may do more than read figures", "get nodes/metrics")


def binding_is_ours(one: Manifest) -> Iterator[Finding]:
    """Control 26, for a binding: no ready-made role, and nobody but service accounts."""
    role = str(value(one, "roleRef", "name") or "")
    if role in ("cluster-admin", "admin", "edit", "view") or role.startswith("system:"):
        yield Finding(26, key(one), "roleRef", "it may do more than read figures", "a role of its own")
    if any(subject.get("kind") != "ServiceAccount" for subject in one.get("subjects") or ()):
        yield Finding(26, key(one), "subjects", "a person or everybody gets the right", "one service account")


def service_is_inside(one: Manifest) -> Iterator[Finding]:
    """Control 33."""
    spec, name = one.get("spec") or {}, key(one)
    if spec.get("externalIPs") or any("nodePort" in port for port in spec.get("ports") or ()):
        yield Finding(33, name, "spec", "every node answers for it", "remove externalIPs and nodePort")
    kind = spec.get("type", "ClusterIP")
    if kind == "ClusterIP":
        return
    if kind != "LoadBalancer":
        yield Finding(33, name, "spec.type", "it is open outside the cluster", "ClusterIP")
        return
    ranges = spec.get("loadBalancerSourceRanges") or ["0.0.0.0/0"]
    if any(_is_everybody(text) for text in ranges):
        yield Finding(33, name, "spec.loadBalancerSourceRanges", "the whole internet comes in", "name the callers")
    if spec.get("externalTrafficPolicy") != "Local":
        harm = "every client looks like a node, and no rule can tell them apart"
        yield Finding(33, name, "spec.externalTrafficPolicy", harm, "Local")


def _is_everybody(text: str) -> bool:
    try:
        return ip_network(text).prefixlen == 0
    except ValueError:
        return False


def budget_lets_nodes_go(one: Manifest) -> Iterator[Finding]:
    """Control 35, for a disruption budget."""
    spec = one.get("spec") or {}
    if spec.get("maxUnavailable") != 1 or "minAvailable" in spec:
        harm = "no node with its last copy could ever be drained, or all copies go at once"
        yield Finding(35, key(one), "spec.maxUnavailable", harm, "maxUnavailable: 1, no minAvailable")
    if spec.get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
        harm = "a copy that never becomes ready holds a drain up"
        yield Finding(35, key(one), "spec.unhealthyPodEvictionPolicy", harm, "AlwaysAllow")


NEVER_REACHED = ("169.254.169.254/32", "168.63.129.16/32", "10.0.0.0/8")
"""What nothing inside may reach by a range of addresses: the metadata service, Azure's agent, private networks."""


def policy_names_its_peers(one: Manifest) -> Iterator[Finding]:
    """Control 31, for a network policy: whom it lets in or out is named, port by port."""
    spec, name = one.get("spec") or {}, key(one)
    for way, side in (("ingress", "from"), ("egress", "to")):
        for number, rule in enumerate(spec.get(way) or ()):
            where = f"spec.{way}[{number}]"
            if not rule.get(side):
                yield Finding(31, name, where, "everybody, inside and outside of the cluster", f"name them in {side}")
            if not rule.get("ports"):
                yield Finding(31, name, where, "every port is open", "name the ports")
            for peer in rule.get(side) or ():
                yield from _peer(name, f"{where}.{side}", way, peer)


def _peer(name: str, where: str, way: str, peer: Manifest) -> Iterator[Finding]:
    space, pod, block = (peer.get(word) for word in ("namespaceSelector", "podSelector", "ipBlock"))
    if space is not None and not _selects(space):
        yield Finding(31, name, where, "pods of every namespace may call themselves so", "name the namespace")
    if pod is not None and not _selects(pod) and space is None:
        yield Finding(31, name, where, "every pod of the namespace", "name the pods")
    if block is None:
        return
    if way == "ingress":
        if _is_everybody(block["cidr"]):
            yield Finding(31, name, where, "the whole internet comes in", "name the callers")
        return
    whole, left_out = ip_network(block["cidr"]), [ip_network(one) for one in block.get("except") or ()]
    for text in NEVER_REACHED:
        far = ip_network(text)
        open_ = whole.version == far.version and far.subnet_of(whole)  # type: ignore[arg-type]
        if open_ and whole != far and not any(far.subnet_of(one) for one in left_out):  # type: ignore[arg-type]
            yield Finding(31, name, where, f"what is taken over reaches {text}", f"except: {text}")


def _selects(selector: Any) -> bool:
    return bool(selector.get("matchLabels") or selector.get("matchExpressions"))


ALONE = ("Namespace", "ServiceAccount", "NetworkPolicy", "DaemonSet")
OF_AGENTS = ("ConfigMap", "Service", "VerticalPodAutoscaler")
PATHS = {
    "nvidia-device-plugin": "/var/lib/kubelet/device-plugins",
    "collector": "/var/log/pods",
    "dcgm-exporter": "/var/lib/kubelet/pod-resources",
}
"""The programs of the nodes, each with the one path of the node that it sees; all but the first only read."""


def agents_are_alone(one: Manifest) -> Iterator[Finding]:
    """Control 41: what needs the node's own paths has a namespace for itself, with nothing else in it."""
    metadata = one.get("metadata") or {}
    labels, place = metadata.get("labels") or {}, str(metadata.get("namespace") or "")
    if not place.endswith(AGENTS):
        return
    listed = labels.get(NAME) in PATHS
    if one["kind"] not in ALONE and not (listed and one["kind"] in OF_AGENTS):
        yield Finding(41, key(one), "kind", "it has rights over the node", f"move it to {place.removesuffix(AGENTS)}")
    elif one["kind"] == "DaemonSet":
        yield from _agent(one)


def _agent(one: Manifest) -> Iterator[Finding]:
    spec, name = one["spec"]["template"]["spec"], one["metadata"]["name"]
    if name not in PATHS:
        yield Finding(41, key(one), "metadata.name", "it has rights over the node", "only the listed agents")
    volumes = {v["name"]: path for v in spec.get("volumes") or () if (path := value(v, "hostPath", "path"))}
    if paths := set(volumes.values()) - {PATHS.get(name)}:
        harm = f"it sees {', '.join(sorted(paths))} of the node"
        yield Finding(41, key(one), "spec.template.spec.volumes", harm, "its own path alone")
    if any(spec.get(word) for word in ("hostNetwork", "hostPID", "hostIPC")):
        yield Finding(41, key(one), "spec.template.spec", "it sees what every process of the node does", "remove it")
    if spec.get("automountServiceAccountToken") is not False:
        yield Finding(41, key(one), "spec.template.spec", "it can ask the API server", "no token")
    for container in spec["containers"]:
        if value(container, "securityContext", "privileged"):
            yield Finding(41, key(one), "containers.securityContext", "it is root of the node", "privileged: false")
        for mount in container.get("volumeMounts") or ():
            if mount["name"] in volumes and name != "nvidia-device-plugin" and mount.get("readOnly") is not True:
                yield Finding(41, key(one), "containers.volumeMounts", "it can change the node", "readOnly: true")


RULES: dict[str, tuple[Callable[[Manifest], Iterator[Finding]], ...]] = {
    "Namespace": (namespace_is_restricted,),
    "ServiceAccount": (account_has_no_token,),
    "Role": (role_reads_figures,),
    "ClusterRole": (role_reads_figures,),
    "RoleBinding": (binding_is_ours,),
    "ClusterRoleBinding": (binding_is_ours,),
    "Service": (service_is_inside,),
    "PodDisruptionBudget": (budget_lets_nodes_go,),
    "NetworkPolicy": (policy_names_its_peers,),
}
"""By the kind of object; `agents_are_alone` is asked of every one."""
