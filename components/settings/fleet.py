"""A fleet: one description for many hosts, each of them a stack of its own (`edge.berlin-1` of the fleet `edge`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from components.models import ModelName
from components.settings.problems import CrossReferenceError, Problem, path_of
from components.settings.share import Share, shared_on, unknown_label
from components.targets.spec.paths import FilePath
from components.targets.spec.ssh import HostKey, Jump, ssh_address
from components.workload import Name, Value

Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")]
"""A label's value, as Kubernetes writes it."""

UserName = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]*$")]
HostAddress = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$")]

MOST_HOSTS = 1000
USER = "slm"


class Common(Value):
    """What hosts may have in common; a host's own value goes before the fleet's default.

    `user` and `port` are of its SSH server, `key_file` the private key's path (without it the SSH agent is asked),
    `jump` the SSH host on the way. `bind` is the host's own address that the gateway is published on; without it, the
    host's `address`. `model` is served by the first engine. `gpus`, `gpu`, `memory_gib` and `disk_gib` describe the
    machine as a target's do; the first engine uses all its GPUs.
    """

    user: UserName | None = None
    port: int | None = Field(None, ge=1, le=65535)
    key_file: FilePath | None = None
    jump: Jump | None = None
    bind: str | None = None
    model: ModelName | None = None
    gpus: int | None = Field(None, ge=0, le=64)
    gpu: str | None = None
    memory_gib: float | None = Field(None, gt=0)
    disk_gib: float | None = Field(None, gt=0)
    labels: dict[Name, Label] = Field(default_factory=dict)

    @field_validator("bind")
    @classmethod
    def _bind_is_an_address(cls, bind: str | None) -> str | None:
        try:
            return None if bind is None else str(ip_address(bind))
        except ValueError:
            raise ValueError(f"'{bind}' is not an IP address of the host — give the one that clients reach") from None


class FleetHost(Common):
    """One host: the address and the pinned key of its SSH server, labels to choose it by, and what it differs in."""

    address: HostAddress
    host_key: HostKey | None = None

    @model_validator(mode="after")
    def _is_pinned(self) -> Self:
        if self.host_key is None:
            raise ValueError(
                "host_key is missing, so any machine that answers would be trusted — pin ssh host key: "
                "host_key: ssh-ed25519 AAAA…"
            )
        return self

    @property
    def ssh(self) -> str:
        """Its SSH server as a target's `host`."""
        return ssh_address(f"ssh://{self.user or USER}@{self.address}:{self.port or 22}")

    @property
    def published_on(self) -> str:
        """The address its gateway is published on. Raises ValueError when nothing says which one that is."""
        if self.bind:
            return self.bind
        try:
            return str(ip_address(self.address))
        except ValueError:
            raise ValueError(
                f"address '{self.address}' is a name, and a gateway is published on an address — set bind"
            ) from None

    @property
    def shares_on(self) -> str | None:
        """The address its neighbours reach it at; None when none is known."""
        return shared_on(self.bind or "", self.address)


class Rollout(Value):
    """How a change goes over the fleet: first to `canary` hosts, then until each of `percent` of all have it.

    `parallel` hosts are changed at a time. After each wave every host of it is asked `questions` questions; more than
    `error_percent` of them without an answer is a failure, as is a host that could not be changed. A failure rolls
    the whole wave back to what ran there before and stops the rollout; with `on_failure` continue, only the hosts that
    failed are rolled back, and it goes on. A host that is not ready before anything is changed is left out, or stops
    everything (`on_unready`).
    """

    canary: int = Field(1, ge=0, le=MOST_HOSTS)
    percent: tuple[Annotated[int, Field(ge=1, le=100)], ...] = Field((25, 100), min_length=1)
    parallel: int = Field(8, ge=1, le=64)
    on_failure: Literal["stop", "continue"] = "stop"
    on_unready: Literal["skip", "stop"] = "skip"
    questions: int = Field(3, ge=1, le=100)
    error_percent: float = Field(0, ge=0, le=100)

    @field_validator("percent")
    @classmethod
    def _rises_to_all(cls, percent: tuple[int, ...]) -> tuple[int, ...]:
        if list(percent) != sorted(set(percent)) or percent[-1] != 100:
            raise ValueError(f"{list(percent)} does not rise to 100 — write it as [25, 100]")
        return percent


class Fleet(Value):
    """The hosts of a fleet by name, what they have in common, how changes reach them, and what neighbours `share`."""

    defaults: Common = Common()
    hosts: dict[Name, FleetHost] = Field(min_length=1, max_length=MOST_HOSTS)
    rollout: Rollout = Rollout()
    share: Share | None = None

    @model_validator(mode="after")
    def _hosts_differ(self) -> Self:
        problems = list(self._twice())
        if self.share:
            problems += unknown_label(self.share, {name: self.host(name).labels for name in self.hosts})
        if problems:
            raise CrossReferenceError(problems)
        return self

    def host(self, name: str) -> FleetHost:
        """A host with the fleet's defaults under it. Raises KeyError for a name that is none of `hosts`."""
        own, common = self.hosts[name], self.defaults
        found = {f: getattr(common, f) for f in Common.model_fields if getattr(own, f) is None}
        return own.model_copy(update={**found, "labels": {**common.labels, **own.labels}})

    def site_of(self, name: str) -> str | None:
        """The site within which a host shares; None for a host without the label, and where nothing is shared."""
        return self.host(name).labels.get(self.share.label) if self.share else None

    def _twice(self) -> Iterator[Problem]:
        seen: dict[str, tuple[str, str]] = {}
        for name in self.hosts:
            host = self.host(name)
            ways = ((host.ssh.partition("@")[2], "address", "host"), (host.host_key or "", "host_key", "host key"))
            for way, field, what in ways:
                first, _ = seen.setdefault(way, (name, field))
                if first != name:
                    path = path_of(("fleet", "hosts", name, field))
                    yield Problem(path, f"{what} is listed twice, also as '{first}'", "remove one of the two")
            try:
                host.published_on  # noqa: B018
            except ValueError as error:
                what, _, fix = str(error).partition(" — ")
                yield Problem(path_of(("fleet", "hosts", name)), what, fix)


def applied(raw: Mapping[str, Any], fleet: Fleet, name: str) -> dict[str, Any]:
    """The description of one host's stack as a stack file without a fleet would have it (keys without `slm:`)."""
    host = fleet.host(name)
    described = {key: value for key, value in raw.items() if key != "fleet"}
    gateway = dict(described.get("gateway") or {})
    place = str(gateway.get("target"))
    names = [host.address.lower(), *([] if host.published_on in ("0.0.0.0", "::") else [host.published_on])]
    gateway["bind"] = host.published_on
    gateway["hosts"] = list(dict.fromkeys([*names, *(gateway.get("hosts") or ["localhost", "127.0.0.1"])]))
    machine = {key: getattr(host, key) for key in ("host_key", "key_file", "gpus", "gpu", "memory_gib", "disk_gib")}
    if host.jump:
        machine["jump"] = host.jump.model_dump(exclude_none=True)
    targets = dict(described.get("targets") or {})
    known = {key: value for key, value in machine.items() if value is not None}
    targets[place] = {"kind": "docker", **dict(targets.get(place) or {}), "host": host.ssh, **known}
    described |= {"gateway": gateway, "targets": targets}
    if host.model:
        described["model"] = host.model
    if host.gpus is not None and (engines := dict(described.get("engines") or {})):
        first = next(iter(engines))
        described["engines"] = {**engines, first: {**engines[first], "gpus": host.gpus}}
    return described
