"""What a stack file may say about Grafana: where people reach its pages."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field

from components.gateway.limits import Port
from components.page import Page


class Grafana(Page):
    """Grafana, the pages people look at; only from a registry.

    `port` and `bind` are the published port and host address; `url` is the address people type, needed when it is not
    this machine's own. `memory_mib` and `cpus` are its limits.
    """

    port: Port = 3001
    memory_mib: int = Field(512, ge=256)
    cpus: float = Field(1, gt=0, le=64)

    @property
    def domain(self) -> str:
        """The host name people type."""
        return str(urlsplit(self.endpoint).hostname)
