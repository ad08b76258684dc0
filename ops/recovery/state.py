"""What Pulumi's state knows: resources of a Docker engine, and steps whose outcome is not known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ops.pulumi_cli import Pulumi

KINDS = {
    "docker:index/container:Container": "containers",
    "docker:index/network:Network": "networks",
    "docker:index/volume:Volume": "volumes",
}


@dataclass(frozen=True)
class Known:
    """A resource of the state, or of an operation whose outcome is not known: kind as in KINDS, Docker's id, name."""

    kind: str
    id: str
    name: str
    runs: bool


@dataclass(frozen=True)
class Operation:
    """A step of a killed run whose outcome is not known; `doing` is Pulumi's word, as creating or deleting."""

    doing: str
    type: str
    name: str


def operations(pulumi: Pulumi) -> list[Operation]:
    """Steps of a killed run whose outcome is not known."""
    deployment = json.loads(pulumi.check("stack", "export", "-s", pulumi.machine.stack)).get("deployment") or {}
    found = deployment.get("pending_operations") or []
    return [
        Operation(str(one.get("type", "changing")), one["resource"]["type"], one["resource"]["urn"].split("::", 3)[3])
        for one in found
    ]


def read(pulumi: Pulumi) -> tuple[list[Known], list[Known], list[Known]]:
    """The resources of the state, those an operation of unknown outcome was about, and those deleted to be replaced."""
    deployment = json.loads(pulumi.check("stack", "export", "-s", pulumi.machine.stack)).get("deployment") or {}
    pending = [operation["resource"] for operation in deployment.get("pending_operations") or []]
    resources = deployment.get("resources") or []
    deleted = [resource for resource in resources if resource.get("pendingReplacement")]
    return _known([one for one in resources if one not in deleted]), _known(pending), _known(deleted)


def _known(resources: list[Mapping[str, Any]]) -> list[Known]:
    found = []
    for resource in resources:
        if kind := KINDS.get(resource["type"]):
            inputs = resource.get("inputs") or {}
            runs = kind == "containers" and inputs.get("mustRun") is not False
            found.append(Known(kind, str(resource.get("id", "")), str(inputs.get("name", "")), runs))
    return found
