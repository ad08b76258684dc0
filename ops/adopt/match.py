"""Which resource of a stack an id in Docker, Kubernetes or Azure belongs to (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ops.previewed import Step


def matches(step: Step, id_: str) -> bool:
    """Whether what a step would make is what the provider knows under this id. Docker's networks go by their names."""
    inputs = step.new_state.inputs if step.new_state else {}
    provider = step.type.partition(":")[0]
    if provider == "docker":
        return bool(inputs.get("name") == id_)
    if provider == "kubernetes":
        meta = inputs.get("metadata") or {}
        namespace, _, name = id_.rpartition("/")
        return bool(meta.get("name") == name and (meta.get("namespace") or "") == namespace)
    return provider == "azure-native" and _is_azure(step.type, inputs.values(), id_)


def _is_azure(type_: str, values: Iterable[Any], id_: str) -> bool:
    """By the kind that an ARM id ends with, and its name among the inputs: `…/Microsoft.KeyVault/vaults/slm-prod`."""
    parts = id_.strip("/").split("/")
    if len(parts) < 4 or len(parts) % 2 or parts[0].lower() != "subscriptions":
        return False
    kind, name = parts[-2].lower(), parts[-1].lower()
    _, module, own = type_.split(":", 2)
    providers = [parts[at + 1].lower() for at, part in enumerate(parts[:-1]) if part.lower() == "providers"]
    vendor = providers[-1].removeprefix("microsoft.") if providers else "resources"
    named = name in [value.lower() for value in values if isinstance(value, str)]
    return vendor == module.partition("/")[0].lower() and _singular(kind) == own.lower() and named


def _singular(kind: str) -> str:
    """`registries` as `registry`, `vaults` as `vault`, `publicipaddresses` as `publicipaddress`."""
    for plural, one in ((r"ies$", "y"), (r"(ss|sh|x)es$", r"\1"), (r"s$", "")):
        if re.search(plural, kind):
            return re.sub(plural, one, kind)
    return kind
