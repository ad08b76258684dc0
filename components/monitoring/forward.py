"""What a stack file may say about figures that go beyond the stack: where to, who this is, what may wait meanwhile."""

from __future__ import annotations

import re
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, field_validator, model_validator

from components.engines.external import HOST_GATEWAY, HOST_PATTERN, address_of, are_certificates, is_near
from components.monitoring.receivers import secret_name
from components.workload import Value

SERIES = ("slm:.+", "ALERTS", "up")
"""What goes without being asked for: what the rules record, which alerts fire, and which targets answer."""

SeriesName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]{0,127}(\.\*)?$")]
"""The name of a metric, or the beginning of several with `.*` after it."""

_PATH = re.compile(r"^(/[A-Za-z0-9._~-]+)+$")


class Forward(Value):
    """Where figures go beyond the stack: a store at `url` that takes Prometheus' remote write.

    What cannot be sent waits on disk, up to `buffer_gib`, and goes once the store answers; beyond it the oldest is
    lost. Sent are the recorded series, `ALERTS` and `up`, and the metrics that `also` names. `token_secret` is the
    name of the secret with a token; or `username` signs in with the password in `password_secret`. `ca_certificates`
    are PEM certificates that vouch for the store, where the public ones do not.
    """

    url: str
    token_secret: str | None = None
    username: str | None = Field(None, pattern=r"^[A-Za-z0-9._@+-]{1,100}$")
    password_secret: str | None = None
    ca_certificates: str | None = Field(None, pattern=r"^\s*-----BEGIN CERTIFICATE-----")
    buffer_gib: float = Field(1, ge=0.5, le=1024)
    also: tuple[SeriesName, ...] = Field((), max_length=100)

    _names = field_validator("token_secret", "password_secret")(secret_name)

    @field_validator("url")
    @classmethod
    def _url_is_an_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError("an address with a key in it would be committed; name a secret: token_secret")
        if parts.scheme not in ("https", "http") or not HOST_PATTERN.fullmatch(parts.hostname or ""):
            raise ValueError(f"'{url}' is not the address of a store; write https://host/api/v1/write")
        if not _PATH.fullmatch(parts.path):
            raise ValueError(f"'{url}' has no path that takes remote write; Prometheus has it at /api/v1/write")
        return url

    @model_validator(mode="after")
    def _store_can_be_trusted(self) -> Self:
        address = address_of(self.host)
        if address is not None and (address.is_link_local or address.is_multicast or address.is_unspecified):
            raise ValueError(f"{self.host} is no store's address: machines' own services answer there; use another")
        if self.host == "localhost" or (address is not None and address.is_loopback):
            raise ValueError(f"{self.host} is the forwarder's own container; for its machine write {HOST_GATEWAY}")
        if not self.tls and not is_near(self.host):
            raise ValueError(
                f"http to {self.host} would send figures and the password readably through the internet; use https"
                f" (http is for {HOST_GATEWAY} and private addresses)"
            )
        if not self.tls and self.ca_certificates:
            raise ValueError("ca_certificates vouch for nothing over http; use https, or remove them")
        if self.ca_certificates and not are_certificates(self.ca_certificates):
            raise ValueError("ca_certificates are no PEM certificates, and nothing could be sent; paste the whole file")
        return self

    @model_validator(mode="after")
    def _signs_in_one_way(self) -> Self:
        if (self.username is None) != (self.password_secret is None):
            raise ValueError("username and password_secret belong together: give both, or none")
        if self.token_secret and self.username:
            raise ValueError("a store is signed in to one way: keep token_secret, or username and password_secret")
        return self

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return urlsplit(self.url).scheme == "https"

    @property
    def host(self) -> str:
        """The store's host name or address."""
        return str(urlsplit(self.url).hostname)

    @property
    def outside(self) -> tuple[str, int]:
        """Host and port it is reached at."""
        return self.host, urlsplit(self.url).port or (443 if self.tls else 80)

    @property
    def secret(self) -> str | None:
        """The name of the secret it needs."""
        return self.token_secret or self.password_secret

    @property
    def series(self) -> tuple[str, ...]:
        """Regular expressions of the names of what is sent."""
        return (*SERIES, *self.also)
