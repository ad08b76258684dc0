"""A key vault as a place to put and read secrets by name; Azure's libraries are imported only when one is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from components.targets.kubernetes.files import vault_object
from ops.errors import UserError

if TYPE_CHECKING:
    from azure.keyvault.secrets import SecretClient

T = TypeVar("T")
PUBLIC_CLOUD = "vault.azure.net"


class Store(Protocol):
    """Secrets by name. A name is written as Key Vault allows it; values are never part of a message."""

    def get(self, name: str) -> str | None:
        """The current content, None where there is none. Raises UserError."""

    def set(self, name: str, content: str) -> None:
        """A new version of the content. Raises UserError."""


class AzureVault:
    """The key vault `name`, as whoever is logged in: `az login` on a desk, a workload or managed identity in CI."""

    def __init__(self, name: str, client: SecretClient | None = None) -> None:
        self.name = name
        self._client = client or _client(name)

    def get(self, name: str) -> str | None:
        """See Store."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return self._asked(lambda: self._client.get_secret(vault_object(name)).value)
        except ResourceNotFoundError:
            return None

    def set(self, name: str, content: str) -> None:
        """See Store."""
        self._asked(lambda: self._client.set_secret(vault_object(name), content, content_type="text/plain"))

    def _asked(self, call: Callable[[], T]) -> T:
        from azure.core.exceptions import (
            AzureError,
            ClientAuthenticationError,
            HttpResponseError,
            ResourceNotFoundError,
        )

        try:
            return call()
        except ResourceNotFoundError:
            raise
        except ClientAuthenticationError:
            raise self._error("knows nobody here", "az login, as a member of a group in admin_group_ids") from None
        except HttpResponseError as error:
            if error.status_code == 403:
                fix = "join a group in admin_group_ids, and call from inside the cluster's network"
                raise self._error("refuses this account or this network", fix) from None
            raise self._error(f"answered {error.status_code}", "try again; az keyvault show tells its state") from None
        except AzureError:
            # The library's own words may repeat what was sent.
            raise self._error(
                "cannot be reached", "call from inside the cluster's network, or through its VPN"
            ) from None

    def _error(self, what: str, fix: str) -> UserError:
        return UserError(f"key vault '{self.name}' {what}", harm="no secret was read or written", fix=fix)


def _client(name: str) -> SecretClient:
    from azure.identity import DefaultAzureCredential
    from azure.keyvault.secrets import SecretClient

    return SecretClient(f"https://{name}.{PUBLIC_CLOUD}", DefaultAzureCredential())
