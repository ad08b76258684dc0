"""A web page for people, as a stack file describes where it is reached."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Self
from urllib.parse import urlsplit

from pydantic import field_validator, model_validator

from components.gateway import Tls
from components.gateway.limits import Port
from components.workload import Value

_URL = re.compile(r"^https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?$")


class Page(Value):
    """`port` and `bind` are the published port and host address; `url` is the address people type, needed when it is
    not this machine's own.
    """

    port: Port
    bind: str = "127.0.0.1"
    url: str | None = None
    tls: Tls | None = None

    @property
    def scheme(self) -> str:
        """`https` with TLS, else `http`."""
        return "https" if self.tls else "http"

    @property
    def endpoint(self) -> str:
        """The address a browser opens."""
        if self.url:
            return self.url
        host = f"[{self.bind}]" if ":" in self.bind else self.bind
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches the published port."""
        return ip_address(self.bind).is_loopback

    @field_validator("bind")
    @classmethod
    def _bind_is_an_address(cls, value: str) -> str:
        try:
            return str(ip_address(value))
        except ValueError:
            raise ValueError(
                f"'{value}' is not an IP address of the host; use 127.0.0.1, or the host's own address with tls"
            ) from None

    @field_validator("url")
    @classmethod
    def _url_is_an_origin(cls, value: str | None) -> str | None:
        if value is not None and not _URL.fullmatch(value):
            raise ValueError(f"'{value}' is not an address of a page; write https://host or https://host:port")
        return value

    @model_validator(mode="after")
    def _leaving_the_machine_needs_tls(self) -> Self:
        if self.loopback:
            return self
        if self.tls is None:
            raise ValueError(
                f"bind {self.bind} is reachable from other machines, and without encryption passwords and what the page"
                " shows can be read on the way: TLS is required (tls: certificate and key), or bind 127.0.0.1"
            )
        if self.url is None:
            raise ValueError(
                f"with bind {self.bind} nobody can say which address people type, and scripts of other pages must be"
                " told apart from its own: set url, such as https://chat.example.org"
            )
        return self

    @model_validator(mode="after")
    def _url_and_tls_agree(self) -> Self:
        if self.url and self.tls and urlsplit(self.url).scheme != "https":
            raise ValueError(f"url {self.url} is not encrypted and tls is: write https://")
        return self
