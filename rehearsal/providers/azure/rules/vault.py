"""What Azure refuses of key vaults and their secrets (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rehearsal.providers.azure.failures import Failure
from rehearsal.providers.azure.rules.names import NAMES
from rehearsal.providers.azure.values import Properties, at, known


def vault(inputs: Properties) -> Iterator[Failure]:
    """Protection that cannot be taken back, days of retention, and who may read."""
    if known(inputs, "properties.enablePurgeProtection") is False:
        yield Failure(
            "properties.enablePurgeProtection",
            'The property "enablePurgeProtection" cannot be set to false. Enabling the purge protection for a vault is '
            "an irreversible action (BadRequest). Leave it out where it is not wanted.",
        )
    if known(inputs, "properties.enableSoftDelete") is False:
        yield Failure("properties.enableSoftDelete", "Soft delete of vaults cannot be switched off (BadRequest).")
    days = known(inputs, "properties.softDeleteRetentionInDays")
    if isinstance(days, int) and not 7 <= days <= 90:
        yield Failure("properties.softDeleteRetentionInDays", f"{days} is not between 7 and 90 days (BadRequest).")
    tenant = known(inputs, "properties.tenantId")
    if isinstance(tenant, str) and not re.fullmatch(NAMES["authorization:RoleAssignment"][0], tenant):
        yield Failure("properties.tenantId", f"'{tenant}' is no tenant: it is a GUID (InvalidTenantId).")
    if not at(inputs, "properties.enableRbacAuthorization") and at(inputs, "properties.accessPolicies") is None:
        why = "The parameter accessPolicies is not specified (BadRequest), and enableRbacAuthorization is not set."
        yield Failure("properties.accessPolicies", why)


def secret(inputs: Properties) -> Iterator[Failure]:
    """A value that is there and fits; the value itself is never repeated."""
    value = known(inputs, "properties.value")
    if at(inputs, "properties.value") is None or value == "":
        yield Failure("properties.value", "a secret needs a value (BadRequest).")
    if isinstance(value, str) and len(value.encode()) > 25_600:
        yield Failure("properties.value", "a secret has at most 25 KB (BadRequest).")
