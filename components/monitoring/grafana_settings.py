"""What a stack file may say about Grafana: where people reach its pages."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from components.gateway import Tls
from components.gateway.limits import Port
from components.workload import Value


class Grafana(Value):
    """Grafana, the pages people look at; only from a registry.

    `port` and `bind` are the published port and host address; `url` is the address people type, needed when it is not
    this machine's own. `memory_mib` and `cpus` are its limits.
    """

    port: Port = 3001
    bind: str = "127.0.0.1"
    url: str | None = Field(None, pattern=r"^https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$")
    tls: Tls | None = None
    memory_mib: int = Field(512, ge=256)
    cpus: float = Field(1, gt=0, le=64)

    @property
    def endpoint(self) -> str:
        """The address a browser opens."""
        if self.url:
            return self.url
        host = f"[{self.bind}]" if ":" in self.bind else self.bind
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    @property
    def domain(self) -> str:
        """The host name people type."""
        return str(urlsplit(self.endpoint).hostname)

    @field_validator("bind")
    @classmethod
    def _bind_is_an_address(cls, value: str) -> str:
        try:
            return str(ip_address(value))
        except ValueError:
            raise ValueError(
                f"'{value}' is not an IP address of the host; use 127.0.0.1, or the host's own address with tls"
            ) from None

    @model_validator(mode="after")
    def _leaving_the_machine_needs_tls(self) -> Self:
        if ip_address(self.bind).is_loopback:
            return self
        if self.tls is None:
            raise ValueError(
                f"bind {self.bind} is reachable from other machines, and without encryption passwords can be read on"
                " the way: TLS is required (tls: certificate and key), or bind 127.0.0.1"
            )
        if self.url is None:
            raise ValueError(
                f"with bind {self.bind} nobody can say which address people type: set url, such as"
                " https://grafana.example.org"
            )
        return self
