"""Whether live objects have what every workload must have, and lie where they must (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rehearsal.life.judging.network import selects

Object = dict[str, Any]
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
POOL = "kubernetes.azure.com/agentpool"


def controller_problems(controllers: Sequence[Object], budgets: Sequence[Object]) -> Iterator[str]:
    """What the controllers of services lack: probes, limits that are requests, time to end, a disruption budget."""
    if not controllers:
        yield "there is no workload at all"
    for controller in controllers:
        name, template = controller["metadata"]["name"], controller["spec"]["template"]
        pod = template["spec"]
        for container in pod["containers"]:
            yield from (f"{name}: no {probe}" for probe in PROBES if probe not in container)
            yield from (f"{name}: {problem}" for problem in _resources(container))
            if "@sha256:" not in container["image"]:
                yield f"{name}: image {container['image']} has no digest"
            if "preStop" not in container.get("lifecycle", {}):
                yield f"{name}: nothing happens before it is stopped"
        if pod.get("terminationGracePeriodSeconds", 30) < 30:
            yield f"{name}: {pod['terminationGracePeriodSeconds']} s to end"
        if pod.get("automountServiceAccountToken") is not False:
            yield f"{name}: a token of its service account would be mounted"
        labels = template["metadata"].get("labels", {})
        if not any(selects(budget["spec"]["selector"], labels) for budget in budgets):
            yield f"{name}: no disruption budget"


def _resources(container: Object) -> Iterator[str]:
    given = container.get("resources", {})
    limits, requests = given.get("limits", {}), given.get("requests", {})
    for what in ("cpu", "memory"):
        if what not in limits:
            yield f"no limit of {what}"
        elif limits[what] != requests.get(what):
            yield f"{what}: asks for {requests.get(what)}, may use {limits[what]}"


def placement_problems(pods: Sequence[Object], nodes: Sequence[Object], wanted: dict[str, str]) -> Iterator[str]:
    """Pods that are not on a node of the pool their workload belongs to; `wanted` is the pool by workload."""
    pools = {node["metadata"]["name"]: node["metadata"]["labels"].get(POOL, "") for node in nodes}
    for workload, pool in wanted.items():
        own = [pod for pod in pods if workload_of(pod) == workload]
        if not own:
            yield f"{workload}: no pod"
        for pod in own:
            node = pod["spec"].get("nodeName")
            if pools.get(node) != pool:
                where = f"on {node} of pool {pools.get(node)}" if node else "on no node"
                yield f"{pod['metadata']['name']}: {where}, and belongs to pool {pool}"


def unscheduled(pods: Sequence[Object], events: Sequence[Object]) -> Iterator[str]:
    """Pods that no scheduler's event tells the assignment of."""
    told = {
        event["involvedObject"]["name"]
        for event in events
        if event.get("reason") == "Scheduled" and "default-scheduler" in (_reporter(event))
    }
    yield from (pod["metadata"]["name"] for pod in pods if pod["metadata"]["name"] not in told)


def _reporter(event: Object) -> tuple[str, ...]:
    return (event.get("reportingComponent", ""), event.get("source", {}).get("component", ""))


def workload_of(pod: Object) -> str:
    """The workload that a pod belongs to."""
    return str(pod["metadata"].get("labels", {}).get("app.kubernetes.io/name", ""))


def is_ready(pod: Object) -> bool:
    """Whether the pod serves."""
    conditions = pod.get("status", {}).get("conditions", ())
    leaving = "deletionTimestamp" in pod["metadata"]
    return not leaving and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def waits_because(pod: Object) -> str:
    """The scheduler's own sentence about a pod that has no node; empty for others."""
    for condition in pod.get("status", {}).get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return str(condition.get("message", ""))
    return ""


def identities(pods: Sequence[Object]) -> dict[str, tuple[str, int]]:
    """What changes when a pod is replaced or its containers start again: its UID and the number of restarts."""
    return {
        pod["metadata"]["name"]: (
            pod["metadata"]["uid"],
            sum(status["restartCount"] for status in pod.get("status", {}).get("containerStatuses", ())),
        )
        for pod in pods
    }
