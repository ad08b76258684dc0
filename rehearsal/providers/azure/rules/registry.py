"""What Azure refuses of container registries (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from rehearsal.providers.azure.failures import Failure
from rehearsal.providers.azure.values import Properties, known

_PREMIUM_ONLY = {
    "publicNetworkAccess": "Disabled",
    "zoneRedundancy": "Enabled",
    "dataEndpointEnabled": True,
    "policies.retentionPolicy.status": "enabled",
    "policies.trustPolicy.status": "enabled",
    "policies.quarantinePolicy.status": "enabled",
    "encryption.status": "enabled",
}


def registry(inputs: Properties) -> Iterator[Failure]:
    """What needs a larger tier than the registry has."""
    tier = known(inputs, "sku.name")
    if tier not in ("Basic", "Standard"):
        return
    for path, value in _PREMIUM_ONLY.items():
        if known(inputs, path) == value:
            yield Failure(
                path, f"{path.rpartition('.')[0] or path} is only for registries of tier Premium (Forbidden)."
            )
    if known(inputs, "networkRuleSet") is not None:
        yield Failure("networkRuleSet", "networkRuleSet is only for registries of tier Premium (Forbidden).")
    if tier == "Basic" and known(inputs, "anonymousPullEnabled"):
        yield Failure("anonymousPullEnabled", "Anonymous pulls are only for tiers Standard and Premium (Forbidden).")
