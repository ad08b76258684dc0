"""The simulated cluster autoscaler's decisions (pure): which nodes to add, which to take away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rehearsal.control_plane.demand import Room, selects, tolerates
from rehearsal.control_plane.pools import GENERATION, POOL_LABEL, SimulatedPool

Object = dict[str, Any]

SETTLING = 5.0
"""Seconds after which a node that is ready has had its chance with the pods that wait."""


LEAVING = "rehearsal.slm-stacks/leaving"
"""Annotation of a node that was chosen to go: it takes no new pods, and goes when it has none left."""


@dataclass(frozen=True)
class Decision:
    """Numbers of the nodes to add, by pool, and names of the nodes to remove."""

    add: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    remove: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cluster:
    """What the autoscaler sees: nodes that are there or coming, and all pods.

    `ready_for` and `idle_for` are seconds, by node; a node that is not ready, or has pods, is not in them.
    """

    pools: tuple[SimulatedPool, ...]
    nodes: Sequence[Object]
    pods: Sequence[Object]
    ready_for: Mapping[str, float] = field(default_factory=dict)
    idle_for: Mapping[str, float] = field(default_factory=dict)

    def of(self, pool: SimulatedPool) -> list[Object]:
        """The pool's nodes."""
        return [n for n in self.nodes if pool_name(n) == pool.name]

    def room(self, pool: SimulatedPool, node: str) -> Room:
        """What is left of the node."""
        room = Room.of(pool)
        for pod in occupying(self.pods, node):
            room.take(pod)
        return room


def pool_name(node: Object) -> str:
    """The pool of a node, or nothing."""
    return str(node["metadata"].get("labels", {}).get(POOL_LABEL, ""))


def occupying(pods: Iterable[Object], node: str) -> list[Object]:
    """The pods that keep a node from going: all that have not ended, but those of DaemonSets."""

    def stays(pod: Object) -> bool:
        owners = {o["kind"] for o in pod["metadata"].get("ownerReferences", ())}
        return pod.get("status", {}).get("phase") not in ("Succeeded", "Failed") and "DaemonSet" not in owners

    return [p for p in pods if p["spec"].get("nodeName") == node and stays(p)]


def unschedulable(pods: Iterable[Object]) -> list[Object]:
    """The pods that the scheduler found no node for."""

    def hopeless(pod: Object) -> bool:
        conditions = pod.get("status", {}).get("conditions", ())
        return any(c["type"] == "PodScheduled" and c.get("reason") == "Unschedulable" for c in conditions)

    return [p for p in pods if "deletionTimestamp" not in p["metadata"] and hopeless(p)]


def decide(cluster: Cluster, *, node_idle: float) -> Decision:
    """Fill pools up to their minimum, add nodes for pods that wait, remove what is idle, outdated or too much."""
    known = {pool.name for pool in cluster.pools}
    remove = [_name(n) for n in cluster.nodes if pool_name(n) and pool_name(n) not in known]
    growths = {pool.name: _Growth(cluster, pool) for pool in cluster.pools}
    for growth in growths.values():
        remove += growth.leaving
        growth.fill()
        remove += growth.idle(node_idle)
    # Pools without GPUs first: a pod that needs none must not wake an expensive node.
    by_cost = sorted(growths.values(), key=lambda g: g.pool.gpus)
    for pod in unschedulable(cluster.pods):
        suiting = [g for g in by_cost if selects(pod, g.pool.node_labels(0)) and tolerates(pod, g.pool.node_taints)]
        if not any(growth.has_room(pod) for growth in suiting):
            any(growth.grow_for(pod) for growth in suiting)
    add = {name: tuple(growth.added) for name, growth in growths.items() if growth.added}
    return Decision(add, tuple(dict.fromkeys(remove)))


class _Growth:
    """One pool while a decision is made."""

    def __init__(self, cluster: Cluster, pool: SimulatedPool) -> None:
        self.cluster, self.pool = cluster, pool
        nodes = cluster.of(pool)
        staying = [n for n in nodes if _stays(n, pool)][: pool.max_nodes]
        self.names = [_name(n) for n in staying]
        self.leaving = [_name(n) for n in nodes if _name(n) not in self.names]
        self._taken = {_name(n) for n in nodes}
        self.added: list[int] = []
        # A node that comes, or has only just come, will take pods that still wait.
        coming = [n for n in self.names if cluster.ready_for.get(n, 0.0) < SETTLING]
        self._rooms = [cluster.room(pool, n) for n in coming]

    def fill(self) -> None:
        """Up to the minimum."""
        for _ in range(self.pool.min_nodes - len(self.names)):
            self._add()

    def idle(self, node_idle: float) -> list[str]:
        """Nodes above the minimum that had no pod for long enough, the newest first."""
        names = [n for n in self.names if self.cluster.idle_for.get(n, -1.0) >= node_idle]
        return names[::-1][: max(0, len(self.names) - self.pool.min_nodes)]

    def has_room(self, pod: Object) -> bool:
        """Whether a node that comes will take the pod; it is taken as placed there then."""
        return any(room.take(pod) for room in self._rooms)

    def grow_for(self, pod: Object) -> bool:
        """Add a node for the pod, unless that is one too many or the pod would not fit on it."""
        full = len(self.names) + len(self.added) >= self.pool.max_nodes
        if full or not Room.of(self.pool).take(pod):
            return False
        self._add()
        return self._rooms[-1].take(pod)

    def _add(self) -> None:
        number = 0
        while self.pool.node_name(number) in self._taken:
            number += 1
        self._taken.add(self.pool.node_name(number))
        self.added.append(number)
        self._rooms.append(Room.of(self.pool))


def _stays(node: Object, pool: SimulatedPool) -> bool:
    notes = node["metadata"].get("annotations", {})
    return LEAVING not in notes and notes.get(GENERATION) == pool.generation()


def _name(node: Object) -> str:
    return str(node["metadata"]["name"])
