"""Which resources a change must not replace or delete unnoticed, and what would be lost with each (pure)."""

from __future__ import annotations

import re

from components.monitoring import alertmanager, collector, forwarder, grafana, loki, node_exporter, prometheus
from components.webui.workload import VOLUME as DATA
from ops.previewed import State

DOCKER_VOLUME = "docker:index/volume:Volume"
CLAIM = "kubernetes:core/v1:PersistentVolumeClaim"
VOLUMES = {DOCKER_VOLUME: "-volume", CLAIM: "-claim"}
"""How a volume's resource is called after the volume itself."""

KEPT = {
    DATA: "accounts and chats",
    prometheus.VOLUME: "figures",
    loki.VOLUME: "logs",
    alertmanager.VOLUME: "silences of alerts",
    collector.VOLUME: "how far logs were read",
    forwarder.VOLUME: "figures that wait to be forwarded",
    node_exporter.TEXT_VOLUME: "when backups were made",
    grafana.VOLUME: "what people made in Grafana",
}
"""What is in volumes that are no weights, by the end of their names."""

PROTECTED = {
    "kubernetes:core/v1:Namespace": "everything in it: volumes, secrets, what runs",
    "kubernetes:core/v1:PersistentVolume": "what the volume holds",
    "azure-native:keyvault:Vault": "its secrets, keys and certificates",
    "azure-native:keyvault:Key": "the key, and with it what it encrypts",
    "azure-native:containerservice:ManagedCluster": "the cluster with all that runs on it",
    "azure-native:containerregistry:Registry": "the images in it",
    "azure-native:resources:ResourceGroup": "everything in it",
    "azure-native:storage:StorageAccount": "everything in it, states of stacks among them",
    "azure-native:storage:BlobContainer": "everything in it, states of stacks among them",
    "azure-native:compute:Disk": "what the disk holds",
    "azure-native:operationalinsights:Workspace": "its logs",
    "azure-native:monitor:AzureMonitorWorkspace": "its figures",
}
"""What would be lost, by the type's token without the version of an API. Volumes are judged one by one."""


def loss(type_: str, name: str, before: State | None) -> str:
    """What would be lost with a resource; empty for one that a change may replace and delete freely.

    Free are volumes of files, which every deployment makes anew, and weights that stay where they are: they can be
    fetched again, and a new version of a model lies in a volume of its own.
    """
    kind = unversioned(type_)
    if kind not in VOLUMES:
        return PROTECTED.get(kind, "")
    if kept := KEPT.get(name.removesuffix(VOLUMES[kind])):
        return kept
    retained = kind == DOCKER_VOLUME or (before is not None and before.retain_on_delete)
    return "" if retained else "the weights in it, which are fetched again"


def unversioned(type_: str) -> str:
    """`azure-native:keyvault/v20230701:Vault` as `azure-native:keyvault:Vault`; other tokens as they are."""
    return re.sub(r"^(azure-native:\w+)/v\w+:", r"\1:", type_)
