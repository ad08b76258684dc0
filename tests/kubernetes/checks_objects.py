"""The policy pack's rules for everything but pods and networks, and what only the description beside them shows."""

from __future__ import annotations

from collections.abc import Iterator

from policies import together
from policies.object_rules import (
    LEVEL,
    MODES,
    agents_are_alone,
    budget_lets_nodes_go,
    namespace_is_restricted,
    service_is_inside,
)
from policies.objects import key
from tests.kubernetes.findings import Finding, Pod, Subject, control, value


@control(22)
def namespace_is_restricted_in_the_stacks_version(subject: Subject) -> Iterator[Finding]:
    name = subject.stack.site.namespace
    [namespace] = [o for o in subject.objects if key(o) == f"Namespace/{name}"]
    yield from namespace_is_restricted(namespace)
    for mode in MODES:
        if namespace["metadata"]["labels"].get(f"{LEVEL}/{mode}-version") != subject.stack.site.pod_security_version:
            harm = "an upgrade of the cluster refuses what was admitted"
            yield Finding(22, f"Namespace/{name}", f"metadata.labels.{mode}-version", harm, "pin the version")


@control(33)
def only_the_way_in_is_open(subject: Subject) -> Iterator[Finding]:
    stack = subject.stack
    exposed = {name for name, planned in stack.planned.items() if planned.around.exposure}
    for service in subject.of_kind("Service"):
        yield from service_is_inside(service)
        owner = service["metadata"]["labels"]["app.kubernetes.io/name"]
        if service["spec"]["type"] == "LoadBalancer" and (owner not in exposed or stack.site.exposure == "none"):
            yield Finding(33, key(service), "spec.type", "it is open outside the cluster", "ClusterIP")
    for files in subject.of_kind("ConfigMap"):
        if stack.site.exposure != "none" and key(files) == together.GATEWAY_FILES:
            yield from together.gateway_is_encrypted(files)


@control(34)
def a_rollout_never_waits_for_itself(subject: Subject) -> Iterator[Finding]:
    one_node = {
        one["metadata"]["name"] for one in subject.of_kind("PersistentVolumeClaim")
        if "ReadWriteMany" not in one["spec"]["accessModes"]
    }  # fmt: skip
    for pod in subject.pods():
        if pod.controller["kind"] != "Deployment":
            continue
        update = value(pod.controller, "spec", "strategy", "rollingUpdate") or {"maxSurge": 1, "maxUnavailable": 0}
        surge, unavailable = update["maxSurge"], update["maxUnavailable"]
        path = "spec.strategy.rollingUpdate"
        if not surge and not unavailable:
            yield Finding(34, pod.name, path, "it may neither start a copy nor stop one", "maxUnavailable: 1")
        claims = {value(v, "persistentVolumeClaim", "claimName") for v in pod.spec["volumes"]}
        if surge and claims & one_node:
            yield Finding(34, pod.name, path, "the new copy must fit beside the old one on its node", "maxSurge: 0")
        elif surge and (free := _free_places(subject, pod)) is not None and free < surge:
            yield Finding(34, pod.name, path, "the new copy waits for the GPU of the old one for ever", "maxSurge: 0")


def _free_places(subject: Subject, pod: Pod) -> int | None:
    """How many copies more its pool has GPUs for when all workloads run at their most. None without GPUs."""
    for pool in subject.stack.site.gpu_pools:
        gpus = int(value(pod.container, "resources", "limits", pool.gpu_resource) or 0)
        if not gpus or pool.labels.items() - pod.spec["nodeSelector"].items():
            continue
        taken = 0
        for other in subject.pods():
            if other.serves:
                asked = int(value(other.container, "resources", "limits", pool.gpu_resource) or 0)
                taken += asked * subject.copies(other.controller)
        return ((pool.capacity or 0) - taken) // gpus
    return None


@control(35)
def a_node_can_be_drained(subject: Subject) -> Iterator[Finding]:
    yield from together.a_node_can_be_drained(subject.own)
    for budget in subject.of_kind("PodDisruptionBudget"):
        yield from budget_lets_nodes_go(budget)


@control(36)
def copies_are_apart(subject: Subject) -> Iterator[Finding]:
    yield from together.copies_are_apart(subject.own)


@control(41)
def node_agents_are_alone(subject: Subject) -> Iterator[Finding]:
    """What needs the node's own paths has a namespace for itself with nothing else in it; there is no third one."""
    own, agents = subject.stack.namespaces
    for one in subject.objects:
        metadata = one["metadata"]
        if one["kind"] == "Namespace":
            if metadata["name"] not in (own, agents):
                yield Finding(
                    41, key(one), "metadata", "anything could be put there unseen", f"{agents}, with warnings"
                )
            elif metadata["name"] == agents:
                yield from namespace_is_restricted(one)
        elif metadata.get("namespace", own) not in (own, agents):
            yield Finding(41, key(one), "metadata.namespace", "nothing is denied there", own)
        yield from agents_are_alone(one)
