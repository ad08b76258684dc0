"""What a stack file may say about Open WebUI. Every default of it is here and nowhere else."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from components.gateway.limits import Port
from components.models import ModelName
from components.page import Page
from components.workload import Name

MIN_MEMORY_MIB = 640
"""It was measured at 300 MiB at rest and 360 MiB at most; migrations and SQLite's mapped pages need room beside it."""

_EMAIL = re.compile(r"^[a-z0-9._+-]{1,64}@([a-z0-9-]+\.)*[a-z0-9-]+$")


class WebUi(Page):
    """Open WebUI, a chat page for people, which asks the stack's models through the gateway with a key of its own.

    `port` and `bind` are the published port and host address; `url` is the address people type, needed when it is not
    this machine's own. `admin_email` is whom the first account belongs to; `make webui-password` shows its password.
    `sign_up` lets whoever reaches the page ask for an account, which an administrator must admit. `model` is chosen
    in a new chat, the first engine's without it. `memory_mib` and `cpus` are its limits; `size_gib` is the space its
    chats and accounts are thought to need; `drain_seconds` is how long a stopping page lets answers finish.
    """

    target: Name
    port: Port = 3000
    admin_email: str = "admin@localhost"
    sign_up: bool = False
    model: ModelName | None = None
    memory_mib: int = Field(1024, ge=MIN_MEMORY_MIB)
    cpus: float = Field(1, gt=0, le=64)
    size_gib: float = Field(2, gt=0, le=1024)
    startup: int = Field(300, ge=30, le=3600)
    drain_seconds: Annotated[int, Field(ge=1, le=3600)] = 20

    @property
    def origins(self) -> tuple[str, ...]:
        """The web origins its pages come from: only their scripts may call it."""
        local = f"{self.scheme}://localhost:{self.port}"
        return (self.endpoint, local) if self.loopback and not self.url else (self.endpoint,)

    @field_validator("admin_email")
    @classmethod
    def _admin_has_an_address(cls, value: str) -> str:
        if not _EMAIL.fullmatch(value):
            raise ValueError(f"'{value}' is not an e-mail address in lower case; it need not exist: admin@localhost")
        return value

    @model_validator(mode="after")
    def _nobody_signs_up_from_elsewhere(self) -> Self:
        if self.sign_up and not self.loopback:
            raise ValueError(
                f"sign_up on a page that other machines reach (bind {self.bind}) lets anyone fill it with accounts:"
                " refused; remove sign_up and let the administrator add people, or bind 127.0.0.1"
            )
        return self
