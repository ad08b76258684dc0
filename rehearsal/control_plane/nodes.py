"""The simulated cloud's nodes: pools are declared in the cluster itself, and a thread makes nodes to match.

Anything that may write to the cluster can declare pools, from any process: they are the entries of the ConfigMap
`kube-system/rehearsal-node-pools`, a pool's name to its `SimulatedPool` in JSON. A pool that is no longer there loses
its nodes, and a pool whose nodes would be other ones gets new nodes; in both cases pods are evicted first.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from ipaddress import IPv4Network

import httpx

from rehearsal.control_plane.api import Api, Object, Refused
from rehearsal.control_plane.autoscaler import LEAVING, Cluster, decide, occupying
from rehearsal.control_plane.errors import NoAnswer
from rehearsal.control_plane.pools import SimulatedPool
from rehearsal.control_plane.timing import Timing

NAMESPACE, NAME = "kube-system", "rehearsal-node-pools"
PATH = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{NAME}"
NODE_NETWORK = "10.224.0.0/16"
"""Addresses of nodes, as AKS has them by default."""

TICK = 0.25
"""Seconds between two looks at the cluster."""


def declaration(pools: Iterable[SimulatedPool]) -> Object:
    """The ConfigMap that declares exactly these pools."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "data": {pool.name: pool.model_dump_json() for pool in pools},
    }


def declared(configuration: Object) -> tuple[SimulatedPool, ...]:
    """The pools of the ConfigMap, by name. Raises pydantic's ValidationError when one is none."""
    data = configuration.get("data") or {}
    return tuple(SimulatedPool.model_validate_json(data[name]) for name in sorted(data))


def is_ready(node: Object) -> bool:
    """Whether the node takes pods."""
    conditions = node.get("status", {}).get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


class Nodes:
    """The thread. `failure` is what ended it before its time, if anything did."""

    def __init__(self, connect: Callable[[], Api], timing: Timing) -> None:
        self.failure: Exception | None = None
        self._connect, self._timing = connect, timing
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="simulated-nodes", daemon=True)
        self._addresses = IPv4Network(NODE_NETWORK).hosts()
        self._coming: dict[str, tuple[float, Object]] = {}
        self._ready_since: dict[str, float] = {}
        self._idle_since: dict[str, float] = {}

    def start(self) -> None:
        """Look after nodes from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Leave the nodes as they are."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        with self._connect() as api:
            while not self._stop.wait(TICK):
                try:
                    self._tick(api, time.monotonic())
                except Refused as refusal:
                    # Somebody else changed the object in between: the next look sees how.
                    if refusal.status not in (httpx.codes.CONFLICT, httpx.codes.NOT_FOUND):
                        self.failure = refusal
                        return
                except NoAnswer:
                    continue  # Whether the API server still runs is told by its process.
                except Exception as error:
                    self.failure = error
                    return

    def _tick(self, api: Api, now: float) -> None:
        pools = declared(api.get(PATH))
        nodes, pods = api.items("/api/v1/nodes"), api.items("/api/v1/pods")
        for name, (due, node) in list(self._coming.items()):
            if due <= now:
                nodes.append(api.create("/api/v1/nodes", node))
                del self._coming[name]
        names = [n["metadata"]["name"] for n in nodes]
        idle = [n for n in names if not occupying(pods, n)]
        cluster = Cluster(
            pools,
            [*nodes, *(node for _, node in self._coming.values())],
            pods,
            _since(self._ready_since, [n["metadata"]["name"] for n in nodes if is_ready(n)], now),
            _since(self._idle_since, idle, now),
        )
        decision = decide(cluster, node_idle=self._timing.node_idle)
        for pool in pools:
            for number in decision.add.get(pool.name, ()):
                node = pool.node(number, str(next(self._addresses)))
                self._coming[node["metadata"]["name"]] = (now + self._timing.node_create, node)
        for name in decision.remove:
            self._coming.pop(name, None)
            if name in names:
                self._remove(api, next(n for n in nodes if n["metadata"]["name"] == name), pods)

    def _remove(self, api: Api, node: Object, pods: list[Object]) -> None:
        """Close the node, then empty it, then delete it: one step in each look at it."""
        name = node["metadata"]["name"]
        path = f"/api/v1/nodes/{name}"
        if LEAVING not in node["metadata"].get("annotations", {}):
            leaving = {"metadata": {"annotations": {LEAVING: "true"}}, "spec": {"unschedulable": True}}
            api.merge(path, leaving)
        elif staying := occupying(pods, name):
            for pod in staying:
                if "deletionTimestamp" not in pod["metadata"]:
                    _evict(api, pod)
        else:
            api.delete(path)


def _evict(api: Api, pod: Object) -> None:
    """Ask for the pod's eviction; a disruption budget may say not now."""
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}}
    try:
        api.create(f"/api/v1/namespaces/{namespace}/pods/{name}/eviction", body)
    except Refused as refusal:
        if refusal.status != httpx.codes.TOO_MANY_REQUESTS:
            raise


def _since(beginnings: dict[str, float], names: list[str], now: float) -> dict[str, float]:
    """For how long each of the names has been in the list, remembering when it came."""
    for gone in beginnings.keys() - set(names):
        del beginnings[gone]
    return {name: now - beginnings.setdefault(name, now) for name in names}
