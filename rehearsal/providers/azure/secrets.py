"""Inputs that are secrets: Azure answers none of them, and the simulated cloud keeps only their digests (pure)."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from rehearsal.providers.azure.values import Properties

_SECRETS: dict[str, tuple[str, ...]] = {
    "keyvault:Secret": ("properties.value",),
    "containerservice:ManagedCluster": ("servicePrincipalProfile.secret", "windowsProfile.adminPassword"),
}


def withheld(resource_type: str, properties: Properties) -> Properties:
    """The properties without their secrets."""
    return _changed(resource_type, properties, lambda _: None)


def digested(resource_type: str, properties: Properties) -> Properties:
    """The properties with a digest in place of each secret, which still tells whether it has changed."""
    return _changed(resource_type, properties, lambda value: f"sha256:{sha256(str(value).encode()).hexdigest()}")


def _changed(resource_type: str, properties: Properties, change: Callable[[Any], str | None]) -> Properties:
    for path in _SECRETS.get(resource_type, ()):
        properties = _replaced(properties, path.split("."), change)
    return properties


def _replaced(properties: Properties, path: list[str], change: Callable[[Any], str | None]) -> Properties:
    name, rest = path[0], path[1:]
    if name not in properties:
        return properties
    if rest:
        below = properties[name]
        return properties | {name: _replaced(below, rest, change) if isinstance(below, dict) else below}
    new = change(properties[name])
    others = {k: v for k, v in properties.items() if k != name}
    return others if new is None else others | {name: new}
