"""Whom alerts are sent to: one class for each kind of receiver. Credentials are names of secrets, read from files."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from components.gateway.settings import SECRET_NAME
from components.monitoring.rules.rule import Severity
from components.workload import FILES_DIRECTORY, Value

_SMARTHOST = re.compile(r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?:[0-9]{1,5}$")


def secret_name(value: str | None) -> str | None:
    """The name of a secret as it is. Raises ValueError for what cannot be one, and so may be the secret itself."""
    # The value itself is never repeated: it may be the credential.
    if value is not None and not SECRET_NAME.fullmatch(value):
        raise ValueError(
            "give the name of a secret (a-z, 0-9, -), not its content: what stands in this file is committed"
        )
    return value


class _Receiver(Value, ABC):
    """`severities` are the alerts it gets; `resolved` also tells it when one ends, `watchdog` keeps
    telling it that alerting works, for a service that raises the alarm when it hears nothing."""

    severities: tuple[Severity, ...] = Field(("critical", "warning"), min_length=1)
    resolved: bool = True
    watchdog: bool = False

    @property
    @abstractmethod
    def secret(self) -> str | None:
        """The name of the secret it needs."""

    @property
    def outside(self) -> tuple[str, int] | None:
        """Host and port it is reached at, where the description says so; a secret address may be anywhere."""
        return None

    @abstractmethod
    def configuration(self, file: str) -> dict[str, Any]:
        """Its part of Alertmanager's configuration; `file` is the path of its secret."""


class Webhook(_Receiver):
    """An HTTP endpoint that gets alerts as JSON: at `url`, or at the address that the secret `url_secret` holds."""

    kind: Literal["webhook"]
    url: str | None = None
    url_secret: str | None = None

    _names = field_validator("url_secret")(secret_name)

    @field_validator("url")
    @classmethod
    def _url_is_an_address(cls, url: str | None) -> str | None:
        parts = urlsplit(url) if url is not None else None
        if parts and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("not an address of a webhook; write http://host:port/path or https://host/path")
        if parts and (parts.username or parts.password or parts.query):
            raise ValueError("an address with a key in it would be committed; keep it as a secret: url_secret")
        return url

    @model_validator(mode="after")
    def _has_one_address(self) -> Self:
        if (self.url is None) == (self.url_secret is None):
            raise ValueError("a webhook has one address: give url, or url_secret when the address itself is secret")
        return self

    @property
    def secret(self) -> str | None:
        return self.url_secret

    @property
    def outside(self) -> tuple[str, int] | None:
        if self.url is None:
            return None
        parts = urlsplit(self.url)
        return str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)

    def configuration(self, file: str) -> dict[str, Any]:
        address = {"url": self.url} if self.url else {"url_file": file}
        return {"webhook_configs": [{**address, "send_resolved": self.resolved, "max_alerts": 50}]}


class Slack(_Receiver):
    """A Slack channel, by the incoming webhook whose address the secret `url_secret` holds."""

    kind: Literal["slack"]
    url_secret: str
    channel: str = Field(pattern=r"^[#@][a-z0-9._-]{1,79}$")

    _names = field_validator("url_secret")(secret_name)

    @property
    def secret(self) -> str:
        return self.url_secret

    def configuration(self, file: str) -> dict[str, Any]:
        own = {"api_url_file": file, "channel": self.channel, "send_resolved": self.resolved}
        return {"slack_configs": [{**own, "title": '{{ template "slack.default.title" . }}'}]}


class PagerDuty(_Receiver):
    """A PagerDuty service, by the integration key (events API v2) that the secret `key_secret` holds."""

    kind: Literal["pagerduty"]
    key_secret: str

    _names = field_validator("key_secret")(secret_name)

    @property
    def secret(self) -> str:
        return self.key_secret

    def configuration(self, file: str) -> dict[str, Any]:
        return {"pagerduty_configs": [{"routing_key_file": file, "send_resolved": self.resolved}]}


class Email(_Receiver):
    """Mail to `to` from `sender` by the server `smarthost` (host:port), which `username` signs in to.

    `password_secret` is the name of the secret with its password. Without STARTTLS nothing is sent.
    """

    kind: Literal["email"]
    to: str = Field(pattern=r"^[^@\s,]{1,64}@[^@\s,]+$")
    sender: str = Field(pattern=r"^[^@\s,]{1,64}@[^@\s,]+$")
    smarthost: str
    username: str | None = None
    password_secret: str | None = None

    _names = field_validator("password_secret")(secret_name)

    @field_validator("smarthost")
    @classmethod
    def _smarthost_has_a_port(cls, smarthost: str) -> str:
        if not _SMARTHOST.fullmatch(smarthost):
            raise ValueError(f"'{smarthost}' is not a mail server with its port; write host:587")
        return smarthost

    @model_validator(mode="after")
    def _signs_in_with_both(self) -> Self:
        if (self.username is None) != (self.password_secret is None):
            raise ValueError("username and password_secret belong together: give both, or none")
        return self

    @property
    def secret(self) -> str | None:
        return self.password_secret

    @property
    def outside(self) -> tuple[str, int]:
        host, _, port = self.smarthost.rpartition(":")
        return host, int(port)

    def configuration(self, file: str) -> dict[str, Any]:
        own: dict[str, Any] = {
            "to": self.to,
            "from": self.sender,
            "smarthost": self.smarthost,
            "require_tls": True,
            "send_resolved": self.resolved,
        }
        if self.username:
            own |= {"auth_username": self.username, "auth_password_file": file}
        return {"email_configs": [own]}


Receiver = Annotated[Webhook | Slack | PagerDuty | Email, Field(discriminator="kind")]


def file_of(name: str) -> str:
    """The file that holds the secret of the receiver `name`."""
    return f"receiver-{name}"


def path_of(name: str) -> str:
    """Where Alertmanager reads it."""
    return f"{FILES_DIRECTORY}/{file_of(name)}"
