"""Who can reach whom: the connections that the policies allow, against those that a stack is meant to have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import yaml

from tests.kubernetes.findings import Finding, Subject, control
from tests.unit.kubernetes_policies import Peer, Pod, Policies

GRAPHS = Path(__file__).with_name("graphs.yaml")
NAME = "app.kubernetes.io/name"
Edge = tuple[str, str, str]
"""Who opens a connection, to whom, and the port: `443` for TCP, `53/UDP` for UDP."""

OTHER_PORTS = {22, 53, 80, 443, 4444, 10250}
"""Ports that somebody who broke in would try, beside those that the stack uses."""

ADDRESSES = {
    "metadata": "169.254.169.254",
    "azure": "168.63.129.16",
    "internet": "198.51.100.7",
    "caller": "203.0.113.7",
    "intranet": "10.1.2.3",
}


@cache
def expected(stack: str) -> frozenset[Edge]:
    """The connections of a stack, from the reviewed file: `source: [target port, …]`."""
    graph: dict[str, list[str]] = yaml.safe_load(GRAPHS.read_text())[stack]
    found = set()
    for sources, targets in graph.items():
        for source in sources.split():
            for target in targets:
                name, port = target.split()
                found.add((source, name, port))
    return frozenset(found)


def own_pods(subject: Subject) -> dict[str, Pod]:
    """The pods of the stack itself, where they are."""
    return {
        pod.workload: Pod.of(pod.template["metadata"]["labels"], pod.controller["metadata"]["namespace"])
        for pod in subject.pods()
    }


def others(subject: Subject) -> dict[str, Peer]:
    """Everybody else: what a pod should reach, should not reach, and should not be reached by."""
    keda = {NAME: "keda-operator"}
    pods = {
        "dns": Pod.of({"k8s-app": "kube-dns"}, "kube-system"),
        "system": Pod.of({"k8s-app": "metrics-server"}, "kube-system"),
        "azure-agent": Pod.of({"rsName": "ama-metrics"}, "kube-system"),
        "keda": Pod.of(keda, subject.stack.site.keda_namespace or "keda"),
        # Pods of another namespace that call themselves as the gateway and as KEDA do.
        "impostor": Pod("default", own_pods(subject)["gateway"].labels),
        "impostor-keda": Pod.of(keda, "default"),
        "impostor-agent": Pod.of({"rsName": "ama-metrics"}, "default"),
    }
    if collector := own_pods(subject).get("collector"):
        pods["impostor-collector"] = Pod("default", collector.labels)
    return {**ADDRESSES, **pods}


@control(31)
def only_the_graphs_edges_are_open(subject: Subject) -> Iterator[Finding]:
    policies, pods = Policies(list(subject.of_kind("NetworkPolicy"))), own_pods(subject)
    everyone, ports = {**pods, **others(subject)}, _ports(subject)
    wanted = expected(subject.stack.name)
    for name, pod in pods.items():
        for way in ("Ingress", "Egress"):
            if not policies.selected(pod, way):
                yield Finding(31, f"Pod/{name}", way, "no policy selects it: everything is allowed", "default deny")
        sent, received = _edges(policies, name, pod, everyone, ports)
        yield from _differences(name, "Egress", sent, {edge for edge in wanted if edge[0] == name})
        yield from _differences(name, "Ingress", received, {edge for edge in wanted if edge[1] == name})


def _ports(subject: Subject) -> set[int]:
    serving = {port["port"] for service in subject.of_kind("Service") for port in service["spec"]["ports"]}
    listening = {port["containerPort"] for pod in subject.pods() for port in pod.container.get("ports", ())}
    return OTHER_PORTS | {port for port in serving if isinstance(port, int)} | listening


def _edges(
    policies: Policies, name: str, pod: Pod, everyone: Mapping[str, Peer], ports: set[int]
) -> tuple[set[Edge], set[Edge]]:
    """What the pod may send and receive as its own policies have it, whatever the other end says."""
    sent, received = set(), set()
    for other, peer in everyone.items():
        for port, protocol in [*((port, "TCP") for port in ports), (53, "UDP")]:
            written = str(port) if protocol == "TCP" else f"{port}/{protocol}"
            if other != name and policies.may_send(pod, peer, port, protocol):
                sent.add((name, other, written))
            if other != name and policies.may_receive(pod, peer, port, protocol):
                received.add((other, name, written))
    return sent, received


def _differences(pod: str, way: str, found: set[Edge], wanted: set[Edge]) -> Iterator[Finding]:
    """Each end is compared by itself: a policy that is too wide at one end is not excused by the other one."""
    for source, target, port in sorted(found - wanted):
        harm = f"{source} may reach {target} on {port}, which is no edge of the graph"
        yield Finding(31, f"Pod/{pod}", way, harm, "narrow the policy, or change the reviewed graph")
    for source, target, port in sorted(wanted - found):
        harm = f"{source} cannot reach {target} on {port}"
        yield Finding(31, f"Pod/{pod}", way, harm, "allow the edge at both of its ends")
