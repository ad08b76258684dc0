"""What NetworkPolicies of one namespace let through, asked of rendered manifests: the rehearsal's evaluator decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from components.targets.kubernetes.names import Manifest
from rehearsal.life.judging.network import Direction, End, Place, about


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
    """All NetworkPolicies of a stack's manifests."""

    def __init__(self, manifests: list[Manifest]) -> None:
        self._all = [one for one in manifests if one["kind"] == "NetworkPolicy"]
        self._towards: dict[tuple[Direction, Pod, Peer], Callable[[int, str], bool]] = {}

    def selected(self, pod: Pod, direction: Direction) -> bool:
        """Whether any policy of that direction is about the pod: only then is the rest denied."""
        return bool(about(self._all, direction, _place(pod)))

    def may_send(self, pod: Pod, to: Peer, port: int, protocol: str = "TCP") -> bool:
        return self._may("Egress", pod, to)(port, protocol)

    def may_receive(self, pod: Pod, peer: Peer, port: int, protocol: str = "TCP") -> bool:
        return self._may("Ingress", pod, peer)(port, protocol)

    def reaches(self, source: Pod, target: Pod, port: int) -> bool:
        """Whether a connection between two pods of the namespace comes about: both ends must allow it."""
        return self.may_send(source, target, port) and self.may_receive(target, source, port)

    def _may(self, direction: Direction, pod: Pod, peer: Peer) -> Callable[[int, str], bool]:
        # The same two are asked for each of a hundred ports.
        asked = (direction, pod, peer)
        if asked not in self._towards:
            self._towards[asked] = End(self._all, direction, _place(pod)).towards(_place(peer))
        return self._towards[asked]


@cache
def _place(peer: Peer) -> Place:
    if isinstance(peer, str):
        return Place(peer, address=peer)
    own = {"kubernetes.io/metadata.name": peer.namespace}
    return Place("pod", peer.namespace, dict(peer.labels), own)
