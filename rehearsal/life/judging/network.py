"""Which connections a namespace's NetworkPolicies allow, read as Cilium reads them on AKS (pure).

Ranges of addresses stand for what is outside the cluster only: Cilium knows pods by their labels, never by address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any, Literal

Object = dict[str, Any]
Direction = Literal["Egress", "Ingress"]


@dataclass(frozen=True)
class Place:
    """An end of a connection: a pod with its labels and its namespace's, or an address outside the cluster."""

    name: str
    namespace: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    namespace_labels: dict[str, str] = field(default_factory=dict)
    address: str = ""


@dataclass(frozen=True, order=True)
class Edge:
    """Whoever is `source` may open a connection to `target` on `port`."""

    source: str
    target: str
    port: int

    def __str__(self) -> str:
        return f"{self.source} → {self.target}:{self.port}"


class End:
    """One end of connections, as the policies about it have it: what is asked for every port is found out once."""

    def __init__(self, policies: Sequence[Object], direction: Direction, own: Place) -> None:
        of_it = about(policies, direction, own)
        self._own, self._peers = own, "to" if direction == "Egress" else "from"
        self._free = bool(own.address) or not of_it
        self._rules = [rule for policy in of_it for rule in policy["spec"].get(direction.lower(), ())]

    def towards(self, other: Place) -> Callable[[int, str], bool]:
        """Whether this end lets it open, or be opened from, `other`: to be asked for a port and its protocol."""
        if self._free:
            return lambda port, protocol: True
        met = [rule.get("ports") for rule in self._rules if _meets(rule.get(self._peers), self._own, other)]
        return lambda port, protocol: any(_opens(ports, port, protocol) for ports in met)


def allowed(policies: Sequence[Object], places: Sequence[Place], ports: Iterable[int], namespace: str) -> set[Edge]:
    """Every TCP connection of which one end at least is in the namespace and that no policy at either end forbids."""
    ends = [(place, End(policies, "Egress", place), End(policies, "Ingress", place)) for place in places]
    found, wanted = set(), sorted(set(ports))
    for source, sends, _ in ends:
        for target, _, receives in ends:
            if source is target or namespace not in (source.namespace, target.namespace):
                continue
            out, into = sends.towards(target), receives.towards(source)
            open_ports = (port for port in wanted if out(port, "TCP") and into(port, "TCP"))
            found |= {Edge(source.name, target.name, port) for port in open_ports}
    return found


def may(
    policies: Sequence[Object], direction: Direction, own: Place, other: Place, port: int, protocol: str = "TCP"
) -> bool:
    """Whether `own` may send to (Egress), or receive from (Ingress), `other` on the port of the receiving end."""
    return End(policies, direction, own).towards(other)(port, protocol)


def about(policies: Sequence[Object], direction: Direction, place: Place) -> list[Object]:
    """The policies of that direction that select the pod: only where there is one is anything denied."""
    return [policy for policy in policies if _is_about(policy, place) and direction in _types(policy)]


def _is_about(policy: Object, place: Place) -> bool:
    same = policy["metadata"]["namespace"] == place.namespace
    return same and selects(policy["spec"].get("podSelector", {}), place.labels)


def _types(policy: Object) -> list[str]:
    spec = policy["spec"]
    return list(spec.get("policyTypes") or (["Ingress", "Egress"] if "egress" in spec else ["Ingress"]))


def _meets(peers: Sequence[Object] | None, own: Place, other: Place) -> bool:
    return not peers or any(_is(peer, own, other) for peer in peers)


def _is(peer: Object, own: Place, other: Place) -> bool:
    if "ipBlock" in peer:
        return bool(other.address) and _inside(peer["ipBlock"], other.address)
    if other.address:
        return False
    if "namespaceSelector" in peer:
        there = selects(peer["namespaceSelector"], other.namespace_labels)
    else:
        there = other.namespace == own.namespace
    return there and selects(peer.get("podSelector", {}), other.labels)


def _inside(block: Object, address: str) -> bool:
    at = ip_address(address)
    return at in ip_network(block["cidr"]) and not any(at in ip_network(cidr) for cidr in block.get("except", ()))


def _opens(ports: Sequence[Object] | None, port: int, protocol: str) -> bool:
    def opens(entry: Object) -> bool:
        first = int(entry.get("port", port))
        return entry.get("protocol", "TCP") == protocol and first <= port <= int(entry.get("endPort", first))

    return not ports or any(map(opens, ports))


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a label selector takes something with these labels. Raises ValueError for an operator that is none."""
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    return all(_holds(expression, labels) for expression in selector.get("matchExpressions", ()))


def _holds(expression: Object, labels: dict[str, str]) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case other:
            raise ValueError(f"label selector operator {other!r} is not known")
