"""With which identity of Azure pods read their secrets from the key vault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pulumi


@dataclass(frozen=True)
class VaultIdentity:
    """A user-assigned identity that may read the vault.

    `federate(namespace, service_account)` lets pods of that service account act as it; pods come after what it gives.
    """

    client_id: pulumi.Input[str]
    tenant_id: pulumi.Input[str]
    federate: Callable[[str, str], pulumi.Resource]
