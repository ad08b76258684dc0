"""What NetworkPolicies of one namespace let through, decided as Kubernetes decides it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from components.targets.kubernetes.names import Manifest


@dataclass(frozen=True)
class Pod:
    """A pod somewhere in the cluster."""

    namespace: str
    labels: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, labels: dict[str, str], namespace: str = "slm") -> Pod:
        return cls(namespace, tuple(sorted(labels.items())))


Peer = Pod | str
"""A pod, or an address outside."""


class Policies:
    """All NetworkPolicies of namespace `slm`."""

    def __init__(self, manifests: list[Manifest]) -> None:
        self._all = [one["spec"] for one in manifests if one["kind"] == "NetworkPolicy"]

    def selected(self, pod: Pod, direction: str) -> bool:
        """Whether any policy of that direction is about the pod: only then is the rest denied."""
        return any(direction in p["policyTypes"] and _selects(p["podSelector"], pod) for p in self._all)

    def may_send(self, pod: Pod, to: Peer, port: int, protocol: str = "TCP") -> bool:
        return self._allowed(pod, "Egress", "egress", "to", to, port, protocol)

    def may_receive(self, pod: Pod, peer: Peer, port: int, protocol: str = "TCP") -> bool:
        return self._allowed(pod, "Ingress", "ingress", "from", peer, port, protocol)

    def reaches(self, source: Pod, target: Pod, port: int) -> bool:
        """Whether a connection between two pods of the namespace comes about: both ends must allow it."""
        return self.may_send(source, target, port) and self.may_receive(target, source, port)

    def _allowed(self, pod: Pod, kind: str, rules: str, peers: str, peer: Peer, port: int, protocol: str) -> bool:
        about = [p for p in self._all if kind in p["policyTypes"] and _selects(p["podSelector"], pod)]
        if not about:
            return True
        return any(
            (not rule.get(peers) or any(_is_peer(one, peer) for one in rule[peers]))
            and (not rule.get("ports") or {"protocol": protocol, "port": port} in rule["ports"])
            for policy in about
            for rule in policy.get(rules, [])
        )


def _selects(selector: Manifest, pod: Pod) -> bool:
    assert set(selector) <= {"matchLabels"}, "nothing else is understood here"
    return selector.get("matchLabels", {}).items() <= dict(pod.labels).items()


def _is_peer(wanted: Manifest, peer: Peer) -> bool:
    if "ipBlock" in wanted:
        if isinstance(peer, Pod):
            return False
        address, block = ip_address(peer), wanted["ipBlock"]
        return address in ip_network(block["cidr"]) and not any(
            address in ip_network(hole) for hole in block.get("except", [])
        )
    if isinstance(peer, str):
        return False
    if "namespaceSelector" in wanted:
        own = {"kubernetes.io/metadata.name": peer.namespace}
        if not wanted["namespaceSelector"]["matchLabels"].items() <= own.items():
            return False
    elif peer.namespace != "slm":
        return False
    return _selects(wanted.get("podSelector", {}), peer)
