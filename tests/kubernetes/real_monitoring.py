"""What the monitoring of a stack on a real node answers, and which connections its pods have."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPSConnection
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from urllib.parse import quote

from kubernetes import client

from components.settings import load, load_overlay
from ops import inside
from rehearsal.life.judging.network import Edge, Place, may
from tests.kubernetes.real_stack import AGENTS, NAMESPACE, Cluster, Stack

ESTABLISHED, CLOSED_LATELY = "01", "06"
"""States of a connection, as the kernel numbers them. What was closed is remembered for a minute by who closed it."""

NODE = "the node"


class Monitoring:
    """Asks by the way that `make status` takes: a program in Prometheus's pod."""

    def __init__(self, stack: Stack) -> None:
        settings = load("dev", stack.folder, load_overlay(stack.folder / ".slm" / "dev" / "Pulumi.dev.yaml"))
        self.settings, self._inside = settings, inside.of(settings, "dev")

    def get(self, url: str) -> Any:
        """What is answered at an address."""
        return json.loads(self._inside.get(url))

    def prometheus(self, what: str) -> Any:
        return self.get(f"http://127.0.0.1:9090/api/v1/{what}")["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.prometheus(f"query?query={quote(expression)}")["result"]
        return found

    def lines(self, selector: str) -> list[str]:
        start = int((time.time() - 3600) * 1e9)
        url = f"http://loki:3100/loki/api/v1/query_range?query={quote(selector)}&limit=1000&start={start}"
        return [line for found in self.get(url)["data"]["result"] for _, line in found["values"]]

    def targets(self) -> dict[str, list[str]]:
        """Health of each target by job, with the error of one that is not up."""
        found: dict[str, list[str]] = {}
        for target in self.prometheus("targets?state=active")["activeTargets"]:
            found.setdefault(target["labels"]["job"], []).append(target["lastError"] or target["health"])
        return found

    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in self.prometheus("rules")["groups"] for rule in group["rules"]]


def kubelet(cluster: Cluster, path: str, token: str) -> int:
    """The status by which the kubelet answers somebody with this token, or with none, at a path."""
    address = cluster.pods()["prometheus"].status.host_ip
    own_certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    own_certificate.check_hostname, own_certificate.verify_mode = False, ssl.CERT_NONE
    with closing(HTTPSConnection(address, 10250, timeout=60, context=own_certificate)) as connection:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        return connection.getresponse().status


def places(cluster: Cluster) -> dict[str, Place]:
    """Every running pod of the stack, and the node, by address."""
    found = {}
    for name, pod in cluster.pods().items():
        if pod.status.phase != "Running":
            continue
        own = {"kubernetes.io/metadata.name": pod.metadata.namespace}
        found[pod.status.pod_ip] = Place(name, pod.metadata.namespace, pod.metadata.labels, own)
        found[pod.status.host_ip] = Place(NODE, address=pod.status.host_ip)
    return found


def policies(cluster: Cluster) -> list[dict[str, Any]]:
    """The NetworkPolicies of both namespaces, as the API server has them."""
    network = client.NetworkingV1Api(cluster.api)
    lists = [network.list_namespaced_network_policy(namespace) for namespace in (NAMESPACE, AGENTS)]
    return [cluster.api.sanitize_for_serialization(policy) for found in lists for policy in found.items]


def connections(cluster: Cluster, known: dict[str, Place]) -> set[tuple[str, str, int]]:
    """Connections between these places of the last minute: address that called, address that was called, port."""
    open_lately = {
        (address, *ends)
        for address, place in known.items()
        if place.name != NODE
        for ends in _open(cluster.run(place.name, "cat", "/proc/net/tcp", "/proc/net/tcp6"))
    }
    listening = {(address, port) for address, place in known.items() for port in _listens(cluster, place)}
    found = set()
    for own, port, other, other_port in open_lately:
        if (own, port) in listening:
            found.add((other, own, port))
        elif known.get(other) and known[other].name == NODE:
            found.add((own, other, other_port))
    return {(source, target, port) for source, target, port in found if {source, target} <= known.keys()}


def forbidden(cluster: Cluster, seen: set[tuple[str, str, int]], known: dict[str, Place]) -> list[str]:
    """Those that a network plugin that enforces policies would have cut."""
    all_policies = policies(cluster)
    return [
        str(Edge(known[source].name, known[target].name, port))
        for source, target, port in sorted(seen)
        # Whoever calls itself by its Service's name is let through by every plugin.
        if source != target
        and not (
            may(all_policies, "Egress", known[source], known[target], port)
            and may(all_policies, "Ingress", known[target], known[source], port)
        )
    ]


def _listens(cluster: Cluster, place: Place) -> set[int]:
    if place.name == NODE:
        return set()
    services = cluster.core.list_namespaced_service(place.namespace).items
    own = [s for s in services if s.spec.selector.items() <= place.labels.items()]
    return {port.target_port for service in own for port in service.spec.ports}


def _open(table: str) -> Iterator[tuple[int, str, int]]:
    """Own port, other address and port of each connection in what the kernel tells of them."""
    for line in table.splitlines():
        words = line.split()
        if len(words) < 4 or words[3] not in (ESTABLISHED, CLOSED_LATELY):
            continue
        (_, port), (other, other_port) = (word.split(":") for word in words[1:3])
        if (address := _address(other)) is not None:
            yield int(port, 16), address, int(other_port, 16)


def _address(text: str) -> str | None:
    """The kernel writes each four bytes as a number of the machine's own order."""
    raw = b"".join(bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8))
    found = IPv4Address(raw) if len(raw) == 4 else IPv6Address(raw).ipv4_mapped
    return str(found) if found else None
