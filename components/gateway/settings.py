"""What a stack file may say about the gateway. Every default of it is here and nowhere else."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from components.gateway.limits import BASE_MIB, Limits, Port, positive, whole
from components.workload import Name, Value

KEYS_SECRET = "gateway-keys"  # noqa: S105 - the name of a secret, not a secret
"""The secret whose content `key_map` makes."""

_HOST = re.compile(r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:.]+\])$")
_ORIGIN = re.compile(r"^https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$")
SECRET_NAME = re.compile(r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")
_OFF_SWITCHES = {"auth", "authentication", "require_key", "no_auth", "anonymous", "public"}


class Tls(Value):
    """Encryption on the published port.

    `certificate` and `key` are names of secrets in PEM form (the certificate with its chain; its private key);
    `minimum` is the oldest TLS version a client may use.
    """

    certificate: str
    key: str
    minimum: Literal["1.2", "1.3"] = "1.2"

    @model_validator(mode="before")
    @classmethod
    def _certificate_has_its_key(cls, data: Any) -> Any:
        if isinstance(data, dict):
            if missing := [k for k in ("certificate", "key") if not data.get(k)]:
                raise ValueError(
                    f"'{missing[0]}' is missing, so TLS could not start; give exactly one certificate and one key,"
                    " each as the name of a secret"
                )
            if str(data.get("minimum", "1.2")) in {"1.0", "1.1"}:
                raise ValueError(f"TLS {data['minimum']} is broken (RFC 8996); minimum 1.2")
        return data

    @field_validator("certificate", "key")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        # The value itself is never repeated: it may be a private key.
        if not SECRET_NAME.fullmatch(value):
            raise ValueError(
                "give the name of a secret (a-z, 0-9, -), not its content: what stands in this file is committed"
            )
        return value


class Gateway(Value):
    """The gateway of a stack.

    It always asks for an API key. `port` and `bind` are the published port and host address; `hosts` are the names
    clients may call it by (any port); `origins` are the web pages, exact, whose scripts may call it from a browser.
    `memory_mib` and `cpus` are its limits; `drain_seconds` is how long a stopping gateway lets answers finish.
    `replicas` is how many copies of it run, on a cluster; each counts a key's requests for itself. Of an engine's
    copies, `balance` leastconn asks the one with the fewest running requests; `prefix` asks the one that has answered
    a conversation's beginning before, whose work it can use again, unless that one has far more to do than the others.
    """

    kind: Literal["haproxy"] = "haproxy"
    target: Name
    port: Port = 8080
    bind: str = "127.0.0.1"
    hosts: tuple[str, ...] = ("localhost", "127.0.0.1")
    origins: tuple[str, ...] = ()
    tls: Tls | None = None
    limits: Limits = Limits()
    memory_mib: Annotated[int, BeforeValidator(whole), Field(ge=BASE_MIB + 32)] = 512
    cpus: float = Field(1, gt=0, le=64)
    drain_seconds: Annotated[int, BeforeValidator(positive), Field(le=3600)] = 30
    replicas: Annotated[int, BeforeValidator(positive), Field(le=100)] = 1
    balance: Literal["leastconn", "prefix"] = "leastconn"

    @property
    def endpoint(self) -> str:
        """The base URL clients on the gateway's own machine use."""
        host = f"[{self.bind}]" if ":" in self.bind else self.bind
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}/v1"

    @model_validator(mode="before")
    @classmethod
    def _authentication_stays_on(cls, data: Any) -> Any:
        if isinstance(data, dict) and (found := sorted(_OFF_SWITCHES & data.keys())):
            raise ValueError(
                f"'{found[0]}': the gateway always asks for an API key, on every target; an open engine is anyone's"
                " to use and to empty. Remove the line; `make key` shows the key"
            )
        return data

    @field_validator("bind")
    @classmethod
    def _bind_is_an_address(cls, value: str) -> str:
        try:
            return str(ip_address(value))
        except ValueError:
            raise ValueError(
                f"'{value}' is not an IP address of the host; use 127.0.0.1, or 0.0.0.0 with tls"
            ) from None

    @field_validator("hosts")
    @classmethod
    def _hosts_are_names(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        if not hosts:
            raise ValueError("with no accepted host name nothing could reach the gateway; list at least one")
        for host in hosts:
            if not _HOST.fullmatch(host):
                raise ValueError(f"'{host}' is not a host name; give it in lower case, without port, path or '*'")
        return tuple(dict.fromkeys(hosts))

    @field_validator("origins")
    @classmethod
    def _origins_are_exact(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if "*" in origin:
                raise ValueError(f"'{origin}' lets any web page use the key of whoever visits it; list exact origins")
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"'{origin}' is not an origin; write https://host or https://host:port, nothing after")
        return tuple(dict.fromkeys(origins))

    @model_validator(mode="after")
    def _leaving_the_machine_needs_tls(self) -> Self:
        if not ip_address(self.bind).is_loopback and self.tls is None:
            raise ValueError(
                f"bind {self.bind} is reachable from other machines, and without encryption keys and prompts can be"
                " read on the way: TLS is required (tls: certificate and key), or bind 127.0.0.1"
            )
        return self

    @model_validator(mode="after")
    def _buffers_fit_into_memory(self) -> Self:
        need, have, limits = self.limits.memory_mib, self.memory_mib, self.limits
        if need > have:
            fits = (have - BASE_MIB) * 2**20 // (2 * limits.buffer_bytes)
            lower = f"lower limits.max_connections to {fits}" if fits else "lower limits.body_kib"
            raise ValueError(
                f"{limits.max_connections} connections x 2 buffers x {limits.buffer_bytes // 1024} KiB and"
                f" {BASE_MIB} MiB for itself need {need} MiB, the limit is {have} MiB, and a burst of large requests"
                f" would kill the gateway: raise memory_mib to {need} or {lower}"
            )
        return self
