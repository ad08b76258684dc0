"""Kubernetes' objects as the rules see them: what a person calls one, and the pods that controllers make."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from policies.finding import Finding, value

Manifest = dict[str, Any]
AGENTS = "-node-agents"
"""How the namespace of the nodes' agents ends."""

CONTROLLERS = ("Deployment", "StatefulSet", "DaemonSet", "Job")
POD_BEARERS = (*CONTROLLERS, "ReplicaSet", "ReplicationController", "CronJob", "Pod")


def key(manifest: Manifest) -> str:
    """What a person calls an object: without the digest of its content, with a namespace that is not the stack's."""
    metadata = manifest.get("metadata") or {}
    name, namespace = str(metadata.get("name") or ""), str(metadata.get("namespace") or "")
    if manifest["kind"] == "Job" or name.split("-")[-2:-1] == ["files"]:
        name = name.rsplit("-", 1)[0]
    return f"{manifest['kind']}/{namespace}/{name}" if namespace.endswith(AGENTS) else f"{manifest['kind']}/{name}"


@dataclass(frozen=True)
class Pod:
    """One container of a controller's pods, with all around it."""

    controller: Manifest
    template: Manifest
    spec: Manifest
    container: Manifest
    is_first: bool = False
    """Whether it runs before the others and ends."""

    @property
    def name(self) -> str:
        """The controller, for messages."""
        return key(self.controller)

    @property
    def workload(self) -> str:
        """The workload it was made of."""
        return str(self.container["name"])

    @property
    def serves(self) -> bool:
        """Whether it is a service and no job."""
        return self.controller["kind"] not in ("Job", "CronJob") and not self.is_first

    @property
    def volumes(self) -> list[Manifest]:
        """The volumes of the pod."""
        return list(self.spec.get("volumes") or ())

    @property
    def mounts(self) -> list[Manifest]:
        """Where the container has them."""
        return list(self.container.get("volumeMounts") or ())

    def security(self, name: str) -> Any:
        """A field of the security context: the container's own, else the pod's."""
        own = value(self.container, "securityContext", name)
        return value(self.spec, "securityContext", name) if own is None else own

    def finding(self, control: int, path: str, harm: str, fix: str) -> Finding:
        """A finding in the pod's specification."""
        return Finding(control, self.name, f"spec.template.spec.{path}", harm, fix)

    def inside(self, control: int, path: str, harm: str, fix: str) -> Finding:
        """A finding in its container."""
        return self.finding(control, f"containers[{self.container['name']}].{path}", harm, fix)


def pods(manifest: Manifest) -> Iterator[Pod]:
    """Each container of the pods that an object makes; none where it makes no pods."""
    if manifest.get("kind") not in POD_BEARERS:
        return
    at: Any = manifest
    if manifest["kind"] == "CronJob":
        at = value(manifest, "spec", "jobTemplate") or {}
    template = manifest if manifest["kind"] == "Pod" else value(at, "spec", "template") or {}
    spec = template.get("spec") or {}
    for container in spec.get("containers") or ():
        yield Pod(manifest, template, spec, container)
    for container in spec.get("initContainers") or ():
        yield Pod(manifest, template, spec, container, is_first=True)
