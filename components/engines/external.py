"""An OpenAI-compatible endpoint that someone else runs, behind this stack's gateway (pure, no Pulumi)."""

from __future__ import annotations

import re
import ssl
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated, Any, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, StringConstraints, model_validator

from components.engines.base import Capability
from components.models import Skill
from components.workload import Name, Value

EndpointModel = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}$")]
SecretName = Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")]
HOST_GATEWAY = "host.docker.internal"
"""The name under which a container finds the machine it runs on."""

_PATHS: dict[Capability, str] = {
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
    "responses": "/v1/responses",
}
HOST_PATTERN = re.compile(r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
_PREFIX = re.compile(r"^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/v1$")


class External(Value):
    """An endpoint that someone else runs, reached by the gateway of `target`.

    `url` ends in /v1; `model` is the name the endpoint knows, which clients use as well. `key_secret` is the name of
    the secret with the endpoint's key (`make secret NAME=…`), which the gateway sends in `key_header` in place of the
    client's own. `capabilities` are what the endpoint honours of a request: what is not listed the gateway refuses,
    as it does for every engine. `skills` are what its model was trained for. `health` is a path below the URL's host
    that answers 200 to GET and costs no tokens; without one (`""`) a connection counts as health.
    `ca_certificates` are PEM certificates that vouch for the endpoint, where the public ones do not. `concurrency` is
    how many requests may run there at once.
    """

    kind: Literal["external"]
    target: Name
    url: str
    model: EndpointModel
    key_secret: SecretName | None = None
    key_header: Literal["authorization", "api-key"] = "authorization"
    capabilities: tuple[Capability, ...] = ("chat", "max_completion_tokens", "seed", "stop", "streaming", "tools")
    skills: tuple[Skill, ...] = ("chat",)
    concurrency: int = Field(8, ge=1, le=1000)
    health: str | None = Field(None, pattern=r"^(|(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+)$")
    ca_certificates: str | None = Field(None, pattern=r"^\s*-----BEGIN CERTIFICATE-----")

    @model_validator(mode="before")
    @classmethod
    def _no_key_in_the_file(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(url := data.get("url"), str) and urlsplit(url).username is not None:
            raise ValueError("a user name or key in url would be committed: name a secret in key_secret")
        return data

    @model_validator(mode="after")
    def _address_can_be_trusted(self) -> Self:
        parts = self._parts
        if (
            parts.scheme not in ("https", "http")
            or not HOST_PATTERN.fullmatch(self.host)
            or parts.query
            or parts.fragment
        ):
            raise ValueError(
                f"'{self.url}' is not the address of an endpoint; write https://host/v1 (or a path before)"
            )
        if not _PREFIX.fullmatch(parts.path.rstrip("/")):
            raise ValueError(f"'{self.url}' does not end in /v1, where OpenAI-compatible endpoints begin; add it")
        address = address_of(self.host)
        if address is not None and (address.is_link_local or address.is_multicast or address.is_unspecified):
            raise ValueError(f"{self.host} is no endpoint's address: machines' own services answer there; use another")
        if self.host == "localhost" or (address is not None and address.is_loopback):
            raise ValueError(f"{self.host} is the gateway's own container; for its machine write {HOST_GATEWAY}")
        if parts.scheme == "http" and not is_near(self.host):
            raise ValueError(
                f"http to {self.host} would send keys and prompts readably through the internet; use https"
                f" (http is for {HOST_GATEWAY} and private addresses)"
            )
        if parts.scheme == "http" and self.ca_certificates:
            raise ValueError("ca_certificates vouch for nothing over http; use https, or remove them")
        if self.ca_certificates is not None and not are_certificates(self.ca_certificates):
            raise ValueError("ca_certificates are no PEM certificates, and the gateway could not start")
        if not any(c in _PATHS for c in self.capabilities):
            raise ValueError(f"capabilities name nothing that could be asked; add one of {', '.join(_PATHS)}")
        return self

    @property
    def served_name(self) -> str:
        """The name clients put into the `model` field."""
        return self.model

    def served_models(self, model: object = None) -> tuple[str, ...]:
        """The names clients may put in the `model` field, whatever the catalogue knows of a model of that name."""
        return (self.model,)

    @property
    def paths(self) -> tuple[tuple[str, str], ...]:
        """Methods and paths the gateway lets through."""
        return tuple(("POST", path) for capability, path in _PATHS.items() if capability in self.capabilities)

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self._parts.scheme == "https"

    @property
    def host(self) -> str:
        """The endpoint's host name or address."""
        return (self._parts.hostname or "").lower()

    @property
    def port(self) -> int:
        """The endpoint's port."""
        return self._parts.port or (443 if self.tls else 80)

    @property
    def prefix(self) -> str:
        """What comes before /v1 in its paths."""
        return self._parts.path.rstrip("/").removesuffix("/v1")

    @property
    def health_path(self) -> str | None:
        """The whole path a health check asks for; None where a connection must do."""
        return f"{self.prefix}/v1/models" if self.health is None else self.health or None

    @property
    def _parts(self) -> SplitResult:
        return urlsplit(self.url)


def address_of(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host is given by; None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def is_near(host: str) -> bool:
    """Whether what is sent to a host stays on this machine or in its own network."""
    address = address_of(host)
    return host == HOST_GATEWAY or (address is not None and address.is_private)


def are_certificates(text: str) -> bool:
    """Whether a text is PEM certificates that can vouch for a server."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except ssl.SSLError:
        return False
    return True
