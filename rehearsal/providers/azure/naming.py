"""Names, places and API versions that the plugin fills in when the program leaves them out."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from rehearsal.providers.azure.catalogue import Resource
from rehearsal.providers.azure.schema import ResourceShape
from rehearsal.providers.azure.values import Properties

RANDOM_NAME = "__createBeforeDelete"
"""Marks inputs whose name has a random end, so that a replacement may be made before the old one goes."""


def with_defaults(
    resource: Resource,
    shape: ResourceShape,
    *,
    urn: str,
    seed: bytes,
    proposed: str | None,
    olds: Properties,
    news: Properties,
    location: Callable[[Properties], Any],
) -> Properties:
    """The program's inputs with what azure-native adds.

    `proposed` is the name that Pulumi's own naming configuration wants: None without one, empty where it wants none to
    be made up. `location` gives the place
    of a resource whose inputs name none.
    """
    inputs = dict(news)
    if resource.name_input not in inputs and proposed != "":
        inputs |= _name(resource, urn, seed, proposed, olds)
    if "location" in shape.inputs and "location" not in inputs:
        place = olds.get("location") or location(inputs)
        inputs |= {"location": place} if place is not None else {}
    if shape.api_version:
        inputs.setdefault("azureApiVersion", shape.api_version)
    return inputs


def _name(resource: Resource, urn: str, seed: bytes, proposed: str | None, olds: Properties) -> Properties:
    key = resource.name_input
    if key in olds:
        return {key: olds[key]} | ({RANDOM_NAME: True} if olds.get(RANDOM_NAME) else {})
    name = urn.rpartition("::")[2]
    digest = sha256(seed + urn.encode()).hexdigest()
    if resource.names == "guid":
        return {key: str(uuid.UUID(digest[:32])), RANDOM_NAME: True}
    if proposed:
        return {key: proposed, RANDOM_NAME: True}
    return {key: name + digest[:8], RANDOM_NAME: True} if resource.names == "random" else {key: name}
