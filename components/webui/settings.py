"""What a stack file may say about Open WebUI. Every default of it is here and nowhere else."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from components.gateway import Tls
from components.gateway.limits import Port
from components.models import ModelName
from components.workload import Name, Value

MIN_MEMORY_MIB = 640
"""It was measured at 300 MiB at rest and 360 MiB at most; migrations and SQLite's mapped pages need room beside it."""

_EMAIL = re.compile(r"^[a-z0-9._+-]{1,64}@([a-z0-9-]+\.)*[a-z0-9-]+$")
_URL = re.compile(r"^https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?$")


class WebUi(Value):
    """Open WebUI, a chat page for people, which asks the stack's models through the gateway with a key of its own.

    `port` and `bind` are the published port and host address; `url` is the address people type, needed when it is not
    this machine's own. `admin_email` is whom the first account belongs to; `make webui-password` shows its password.
    `sign_up` lets whoever reaches the page ask for an account, which an administrator must admit. `model` is chosen
    in a new chat, the first engine's without it. `memory_mib` and `cpus` are its limits; `size_gib` is the space its
    chats and accounts are thought to need; `drain_seconds` is how long a stopping page lets answers finish.
    """

    target: Name
    port: Port = 3000
    bind: str = "127.0.0.1"
    url: str | None = None
    tls: Tls | None = None
    admin_email: str = "admin@localhost"
    sign_up: bool = False
    model: ModelName | None = None
    memory_mib: int = Field(1024, ge=MIN_MEMORY_MIB)
    cpus: float = Field(1, gt=0, le=64)
    size_gib: float = Field(2, gt=0, le=1024)
    startup: int = Field(300, ge=30, le=3600)
    drain_seconds: Annotated[int, Field(ge=1, le=3600)] = 20

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
    def origins(self) -> tuple[str, ...]:
        """The web origins its pages come from: only their scripts may call it."""
        local = f"{self.scheme}://localhost:{self.port}"
        return (self.endpoint, local) if self.loopback and not self.url else (self.endpoint,)

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

    @field_validator("admin_email")
    @classmethod
    def _admin_has_an_address(cls, value: str) -> str:
        if not _EMAIL.fullmatch(value):
            raise ValueError(f"'{value}' is not an e-mail address in lower case; it need not exist: admin@localhost")
        return value

    @model_validator(mode="after")
    def _leaving_the_machine_needs_tls(self) -> Self:
        if self.loopback:
            return self
        if self.tls is None:
            raise ValueError(
                f"bind {self.bind} is reachable from other machines, and without encryption passwords and chats can be"
                " read on the way: TLS is required (tls: certificate and key), or bind 127.0.0.1"
            )
        if self.sign_up:
            raise ValueError(
                f"sign_up on a page that other machines reach (bind {self.bind}) lets anyone fill it with accounts:"
                " refused; remove sign_up and let the administrator add people, or bind 127.0.0.1"
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
