"""Names, labels and addresses of one stack's objects in its namespace (pure)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any

from components.targets.kubernetes.site import ClusterSite
from components.targets.placement import Exposure, Scale

Manifest = dict[str, Any]
"""A Kubernetes object as plain data, as `kubectl apply` would read it."""

NAME_LABEL = "app.kubernetes.io/name"
INSTANCE_LABEL = "app.kubernetes.io/instance"
AGENTS = "-node-agents"
"""How the namespace ends that programs are in which see paths of the nodes."""

COPIES = "-copies"
"""How the name ends that stands for each copy of an exposed workload."""

OUTSIDE = "-outside"
"""How the name of the Service ends that a load balancer belongs to."""

_USUAL_PORTS = (80, 443)


def content_hash(value: object) -> str:
    """Ten hex digits that change when the value does."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


@dataclass(frozen=True)
class Names:
    """The names of one stack's things on one cluster. The namespace keeps two stacks on a cluster apart.

    `agents`: of its node agents, which have a namespace of their own.
    """

    site: ClusterSite
    stack: str
    agents: bool = False

    @property
    def namespace(self) -> str:
        """The namespace: the stack's own, or that of its node agents (control 41)."""
        return f"{self.site.namespace}{AGENTS}" if self.agents else self.site.namespace

    def of(self, *, agent: bool) -> Names:
        """The names where agents are, or where everything else is."""
        return replace(self, agents=agent)

    @property
    def instance(self) -> str:
        """The stack's name as a label's value, which has at most 63 characters and ends in a letter or digit."""
        fits = len(self.stack) <= 63 and self.stack[-1:].isalnum()
        return self.stack if fits else f"{self.stack[:50]}-{content_hash(self.stack)}"

    def selector(self, workload: str) -> dict[str, str]:
        """The labels that the pods of a workload have and no others; they can never change."""
        return {NAME_LABEL: workload, INSTANCE_LABEL: self.instance}

    def labels(self, workload: str | None = None) -> dict[str, str]:
        """How teardown, checks and people find everything that belongs to the stack."""
        own = self.selector(workload) if workload else {INSTANCE_LABEL: self.instance}
        return {**own, "app.kubernetes.io/part-of": "slm-stacks", "app.kubernetes.io/managed-by": "pulumi"}

    def metadata(
        self, name: str, workload: str | None = None, annotations: Mapping[str, str] | None = None
    ) -> Manifest:
        """The metadata of an object in the stack's namespace."""
        metadata: Manifest = {"name": name, "namespace": self.namespace, "labels": self.labels(workload)}
        return {**metadata, "annotations": dict(annotations)} if annotations else metadata

    # What follows is the target's half of `Naming`: how workloads and clients find each other.

    def resolver(self) -> None:
        """Every pod has the cluster's name server in its /etc/resolv.conf, at an address nobody knows before."""
        return

    def host_of(self, name: str) -> str:
        """The full name of a workload's Service: looked up with one question, whatever a pod's search list says."""
        return f"{name}.{self.namespace}.svc.{self.site.cluster_domain}"

    def copies_host_of(self, name: str) -> str:
        """The full name of the Service that stands for each copy of an exposed workload."""
        return self.host_of(f"{name}{COPIES}")

    def agent_host_of(self, name: str) -> str:
        """The same of an agent of the nodes."""
        return self.of(agent=True).host_of(name)

    def addresses_of(self, scale: Scale) -> int:
        """All copies at their most, and one more while a rollout starts a new copy before it stops an old one."""
        return scale.most + 1

    def outside(self, exposure: Exposure) -> str:
        """The name clients use; without a load balancer, this machine's end of `kubectl port-forward`."""
        if self.site.exposure == "none":
            return f"{exposure.bind}:{exposure.port}"
        host = next((host for host in exposure.hosts if not is_loopback(host)), exposure.bind)
        return host if exposure.port in _USUAL_PORTS else f"{host}:{exposure.port}"


def is_loopback(host: str) -> bool:
    """Whether a host name or address stands for the machine it is used on."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
