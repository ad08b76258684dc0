"""The live objects of the stack, read from the real API server."""

from __future__ import annotations

from rehearsal.control_plane.api import Object, Refused
from rehearsal.life.judging.objects import is_ready, workload_of
from rehearsal.life.world import World


class Objects:
    """Read anew at every call."""

    def __init__(self, world: World) -> None:
        self.world, self.namespace = world, world.target.namespace

    def path(self, group: str, plural: str, name: str = "") -> str:
        """The address of a collection of the namespace, or of one object; `group` as `v1` or `apps/v1`."""
        root = f"/apis/{group}" if "/" in group else f"/api/{group}"
        return f"{root}/namespaces/{self.namespace}/{plural}{f'/{name}' if name else ''}"

    def all(self, group: str, plural: str) -> list[Object]:
        """Every object of a kind."""
        return self.world.api.items(self.path(group, plural))

    def controllers(self) -> list[Object]:
        """What keeps services running, with `kind` as it is missing in lists."""
        found = []
        for plural, kind in (("deployments", "Deployment"), ("statefulsets", "StatefulSet")):
            found += [{**one, "kind": kind} for one in self.all("apps/v1", plural)]
        return sorted(found, key=lambda one: str(one["metadata"]["name"]))

    def controller(self, workload: str) -> Object:
        """The one of a workload. Raises LookupError."""
        for one in self.controllers():
            if one["metadata"]["name"] == workload:
                return one
        raise LookupError(f"workload {workload} has no Deployment and no StatefulSet")

    def controller_path(self, workload: str) -> str:
        """Its address."""
        plural = f"{self.controller(workload)['kind'].lower()}s"
        return self.path("apps/v1", plural, workload)

    def pods(self, workload: str = "") -> list[Object]:
        """Pods of services that are not on their way out, those of one workload or of all."""
        services = {one["metadata"]["name"] for one in self.controllers()}
        wanted = {workload} if workload else services
        found = [pod for pod in self.all("v1", "pods") if workload_of(pod) in wanted]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def all_ready(self) -> bool:
        """Whether every service has as many ready pods as it wants, and no others."""
        for one in self.controllers():
            pods = self.pods(one["metadata"]["name"])
            if len(pods) != one["spec"].get("replicas", 1) or not all(map(is_ready, pods)):
                return False
        return True

    def evict(self, pod: Object) -> str:
        """Ask for a pod's eviction, as `kubectl drain` does; the refusal's words, or nothing."""
        name = pod["metadata"]["name"]
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": self.namespace}}
        try:
            self.world.api.create(f"{self.path('v1', 'pods', name)}/eviction", body)
        except Refused as refusal:
            if refusal.status != 429:
                raise
            return refusal.message
        return ""

    def nodes(self, pool: str = "") -> list[Object]:
        """Nodes, those of one pool or all."""
        found = self.world.api.items("/api/v1/nodes")
        return [n for n in found if not pool or n["metadata"]["labels"].get("kubernetes.azure.com/agentpool") == pool]
