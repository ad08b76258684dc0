"""What a cluster needs before workloads come: classes of storage, and what tells Kubernetes of GPUs."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.targets.aks import device_plugin
from components.targets.aks.ground import Ground
from components.targets.aks.storage import storage_classes
from components.targets.kubernetes.objects import declare


class Agents(pulumi.ComponentResource):
    """Objects of the cluster itself. `ready` is what workloads wait for."""

    def __init__(self, ground: Ground, provider: kubernetes.Provider, cluster: pulumi.Resource) -> None:
        name = f"{ground.name}-agents"
        super().__init__("slm:aks:agents", name, None, pulumi.ResourceOptions(parent=ground.parent))

        def options(**more: Any) -> pulumi.ResourceOptions:
            # Nobody asks the API server to delete what goes with the cluster; it may be out of reach by then.
            return pulumi.ResourceOptions(parent=self, provider=provider, deleted_with=cluster, **more)

        self.ready: list[pulumi.Resource] = []
        for manifest in storage_classes(ground.spec, ground.names):
            named = f"{ground.name}-class-{manifest['metadata']['name']}"
            # Of what is there, a class lets nothing be changed.
            self.ready.append(declare(named, manifest, options(delete_before_replace=True)))
        before: list[pulumi.Resource] = []
        for manifest in device_plugin.manifests(ground.spec):
            named = f"{ground.name}-gpus-{manifest['kind'].lower()}"
            needed = before if manifest["kind"] == "DaemonSet" else before[:1]
            before.append(declare(named, manifest, options(depends_on=list(needed))))
        self.ready += before
        self.register_outputs({})
