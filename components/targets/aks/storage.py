"""Where volumes lie: classes of storage that outlive the cluster where the stack file says so (pure)."""

from __future__ import annotations

from typing import Any

from components.catalog.azure import azure
from components.targets.aks.names import Names
from components.targets.spec import Aks

Manifest = dict[str, Any]

WEIGHTS_CLASS = "slm-weights"
DATA_CLASS = "slm-data"


def storage_classes(spec: Aks, names: Names) -> list[Manifest]:
    """The class of weights, and that of what one pod alone writes, which is always a disk."""
    weights = _files(spec) if spec.storage == "files" else _disks(spec, names)
    return [_class(WEIGHTS_CLASS, weights, spec), _class(DATA_CLASS, _disks(spec, names), spec)]


def _class(name: str, kind: Manifest, spec: Aks) -> Manifest:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "reclaimPolicy": "Retain" if spec.retain.data else "Delete",
        "allowVolumeExpansion": True,
        **kind,
    }


def _disks(spec: Aks, names: Names) -> Manifest:
    return {
        "provisioner": "disk.csi.azure.com",
        "parameters": {
            # A disk in one zone would hold its pods there, whatever happens to the zone.
            "skuName": "Premium_ZRS" if spec.location in azure().zones else "Premium_LRS",
            # In AKS's own group it would be deleted with the cluster.
            "resourceGroup": names.data_group,
            "networkAccessPolicy": "DenyAll",
            "tags": f"slm-stack={names.stack}",
        },
        # Made where its first pod is.
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def _files(spec: Aks) -> Manifest:
    return {
        "provisioner": "file.csi.azure.com",
        "parameters": {
            "protocol": "nfs",
            "skuName": "Premium_ZRS" if spec.location in azure().zones else "Premium_LRS",
            "networkEndpointType": "privateEndpoint",
        },
        "mountOptions": ["nconnect=4", "noresvport", "actimeo=30"],
        "volumeBindingMode": "Immediate",
    }
