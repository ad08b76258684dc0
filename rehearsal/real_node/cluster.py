"""What the cluster must know for a real node to serve it: the way to the API server, names, and the node's disk (pure).

A control plane without a real node needs none of it: no pod asks for a name there, and none writes to a volume.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
LABEL, REAL = "rehearsal.slm-stacks/node", "real"
"""The label that chooses a real node, and its value."""

STORAGE_CLASS = "node-disk"
VOLUMES, VOLUME_GIB = 4, 20


def objects(server: str, port: int, node: str, volumes: Path) -> Iterator[dict[str, Any]]:
    """All of it; `server` and `port` are where pods of the node reach the API server, `volumes` folders on the node."""
    for path in sorted(HERE.glob("objects/*.yaml")):
        yield from yaml.safe_load_all(path.read_text())
    yield _way_to_the_api_server(server, port)
    for number in range(VOLUMES):
        yield _volume(f"{node}-{number}", volumes / str(number), node)


def folders(volumes: Path) -> list[Path]:
    """The folders on the node's disk that `objects` makes volumes of."""
    return [volumes / str(number) for number in range(VOLUMES)]


def _way_to_the_api_server(server: str, port: int) -> dict[str, Any]:
    """Where the Service `kubernetes` leads: the control plane itself names nothing, as it listens on loopback only."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "addressType": "IPv4",
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
        "endpoints": [{"addresses": [server], "conditions": {"ready": True}}],
    }


def _volume(name: str, path: Path, node: str) -> dict[str, Any]:
    at = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": f"{VOLUME_GIB}Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": STORAGE_CLASS,
            "local": {"path": str(path)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [at]}]}},
        },
    }
