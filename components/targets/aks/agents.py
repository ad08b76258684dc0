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
            fields = {key: value for key, value in manifest.items() if key not in ("apiVersion", "kind")}
            self.ready.append(
                kubernetes.storage.v1.StorageClass(
                    f"{ground.name}-class-{manifest['metadata']['name']}",
                    metadata=fields["metadata"],
                    provisioner=fields["provisioner"],
                    parameters=fields["parameters"],
                    mount_options=fields.get("mountOptions"),
                    reclaim_policy=fields["reclaimPolicy"],
                    volume_binding_mode=fields["volumeBindingMode"],
                    allow_volume_expansion=fields["allowVolumeExpansion"],
                    # Of what is there, a class lets nothing be changed.
                    opts=options(delete_before_replace=True),
                )
            )
        before: list[pulumi.Resource] = []
        for manifest in device_plugin.manifests(ground.spec):
            named = f"{ground.name}-gpus-{manifest['kind'].lower()}"
            if manifest["kind"] == "DaemonSet":
                made: pulumi.CustomResource = kubernetes.apps.v1.DaemonSet(
                    named, metadata=manifest["metadata"], spec=manifest["spec"], opts=options(depends_on=before)
                )
            else:
                made = declare(named, manifest, options(depends_on=before[:1]))
            before.append(made)
        self.ready += before
        self.register_outputs({})
