"""Names of secrets to their content: the only place that reads a secret value."""

from __future__ import annotations

import json
from collections.abc import Callable

import pulumi

from components.gateway import key_map

API_KEYS = "apiKeys"
"""The encrypted configuration value: a JSON object of key id to API key."""


class ConfigSecrets:
    """Secrets kept as encrypted values in the stack's Pulumi configuration."""

    def __init__(self, config: pulumi.Config) -> None:
        self._config = config
        self._readers: dict[str, Callable[[], pulumi.Output[str]]] = {"gateway-keys": self._gateway_keys}

    def content(self, name: str) -> pulumi.Output[str]:
        """The content of the secret file `name`, marked secret.

        Every name but the gateway's keys is a configuration value of that name. Raises pulumi.ConfigMissingError.
        """
        reader = self._readers.get(name)
        return reader() if reader else self._config.require_secret(name)

    def _gateway_keys(self) -> pulumi.Output[str]:
        # Digests leave this process, never the keys; the result stays secret all the same.
        return self._config.require_secret(API_KEYS).apply(lambda keys: key_map(json.loads(keys)))
