"""How the gateway reaches an engine that someone else runs: encryption, path, and the key it sends (pure)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.workload import FILES_DIRECTORY, FileName, Value

MAP_KEY = "key"
"""The word before the value in a file with an upstream's key: HAProxy reads it as a map of one line."""

BEARER_PREFIX = "bearer:"
PLAIN_PREFIX = "plain:"
"""Before the name of a secret: its content is wanted as such a map, with `Bearer ` before the key or without."""


def key_file(content: str, bearer: bool) -> str:
    """The content of the file with an upstream's key.

    Raises ValueError, without the key, when it has characters that no HTTP header can carry.
    """
    key = content.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError(
            "the key of an external engine is empty or has spaces, line ends or other than ASCII characters"
        )
    return f"{MAP_KEY} {'Bearer ' if bearer else ''}{key}\n"


class Upstream(Value):
    """What an external engine needs beside host and port.

    `prefix` comes before the path a client sent. `key_secret` is the name of the secret with its key, sent in
    `key_header` in place of the client's, which never leaves the gateway. `ca_certificates` are PEM certificates that
    vouch for it instead of the public ones. `looked_up_once`: its name is known from the container's own list of hosts
    and not from a name server. `health` is the path that says it is there; without one, a connection must do.
    """

    tls: bool = True
    prefix: str = Field("", pattern=r"^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$")
    key_secret: str | None = None
    key_header: Literal["authorization", "api-key"] = "authorization"
    ca_certificates: str | None = None
    looked_up_once: bool = False
    health: str | None = Field("/v1/models", pattern=r"^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$")

    @property
    def secret(self) -> str | None:
        """The name under which the key's file is asked of the stack's secrets."""
        prefix = BEARER_PREFIX if self.key_header == "authorization" else PLAIN_PREFIX
        return f"{prefix}{self.key_secret}" if self.key_secret else None

    def key_name(self, route: str) -> FileName:
        """The name of the file with the key."""
        return f"{route}.key"

    def ca_name(self, route: str) -> FileName:
        """The name of the file with its own certificate authority."""
        return f"{route}-ca.pem"

    def key(self, route: str) -> str:
        """HAProxy's expression for the value of the header."""
        return f"%[str({MAP_KEY}),map({FILES_DIRECTORY}/{self.key_name(route)})]"

    def tls_arguments(self, route: str, host: str) -> str:
        """HAProxy's words for a server: encrypted, the name told, and the certificate checked against it."""
        if not self.tls:
            return ""
        ca = f"{FILES_DIRECTORY}/{self.ca_name(route)}" if self.ca_certificates else "@system-ca"
        name = f" sni str({host}) check-sni {host}" if not host.replace(".", "").isdigit() else ""
        return f" ssl verify required ca-file {ca} verifyhost {host} ssl-min-ver TLSv1.2 alpn http/1.1 check-ssl{name}"
