"""Names of secrets to their content: the only place that reads a secret value."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import pulumi

from components.gateway import key_map
from components.gateway.settings import KEYS_SECRET
from components.gateway.upstream import BEARER_PREFIX, PLAIN_PREFIX, key_file
from components.monitoring.grafana import SECRETS as GRAFANA_SECRETS
from components.webui.workload import NAME, SECRETS

API_KEYS = "apiKeys"
"""The encrypted configuration value: a JSON object of key id to API key."""

WEBUI_SECRETS = "webuiSecrets"
"""The encrypted configuration value of a stack with Open WebUI: a JSON object of secret name to content."""

MONITORING_SECRETS = "monitoringSecrets"
"""The encrypted configuration value of a stack with Grafana: a JSON object of secret name to content."""


class ConfigSecrets:
    """Secrets kept as encrypted values in the stack's Pulumi configuration."""

    def __init__(self, config: pulumi.Config, *, webui: bool = False) -> None:
        """`webui`: the stack has a chat page, whose key opens the gateway; without it, a key left over does not."""
        self._config, self._has_webui = config, webui
        self._readers: dict[str, Callable[[], pulumi.Output[str]]] = {KEYS_SECRET: self._gateway_keys}
        held = {name: WEBUI_SECRETS for name in SECRETS.values()}
        held |= {name: MONITORING_SECRETS for name in GRAFANA_SECRETS.values()}
        self._readers |= {name: partial(self._one_of, value, name) for name, value in held.items()}

    def content(self, name: str) -> pulumi.Output[str]:
        """The content of the secret file `name`, marked secret.

        Every name but our own is a configuration value of that name, which `make secret` sets; of an upstream's key,
        the file the gateway reads it from is made. Raises pulumi.ConfigMissingError.
        """
        for prefix, bearer in ((BEARER_PREFIX, True), (PLAIN_PREFIX, False)):
            if name.startswith(prefix):
                given = self._config.require_secret(name.removeprefix(prefix))
                return given.apply(partial(key_file, bearer=bearer))
        reader = self._readers.get(name)
        return reader() if reader else self._config.require_secret(name)

    def _gateway_keys(self) -> pulumi.Output[str]:
        # Digests leave this process, never the keys; the result stays secret all the same.
        keys = self._config.require_secret(API_KEYS)
        if not self._has_webui:
            return keys.apply(lambda text: key_map(json.loads(text)))
        webui = self._config.require_secret(WEBUI_SECRETS)
        return pulumi.Output.all(keys, webui).apply(lambda both: key_map(_all_keys(*both)))

    def _one_of(self, value: str, name: str) -> pulumi.Output[str]:
        """The secret `name` of the JSON object that the configuration value holds."""
        return self._config.require_secret(value).apply(lambda text: str(json.loads(text)[name]))


def _all_keys(people: str, webui: str) -> dict[str, str]:
    """People's keys and the chat page's own, which has an id of its own in logs and limits."""
    return {**json.loads(people), NAME: json.loads(webui)[SECRETS["api-key"]]}
