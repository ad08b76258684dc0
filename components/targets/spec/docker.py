"""A Docker engine as the stack file describes it."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from components.catalog.hardware import hardware
from components.targets.spec.paths import FilePath
from components.targets.spec.ssh import HostKey, Jump, parts, ssh_address
from components.workload import AbsolutePath, Value

PATIENCE_SECONDS = 300
"""As long as a kubelet's liveness probe is given (components/targets/kubernetes/probes.py), for the same reason."""


class Docker(Value):
    """A Docker engine: this machine's, or an edge host's over SSH.

    `host` is `unix:///path` or `ssh://user@host[:port]`; without it, the engine that the DOCKER_HOST variable or the
    usual socket names. `host_key` pins the SSH host: `ssh-ed25519 AAAA…`, one line of its /etc/ssh/*.pub.
    `key_file` is the private key's path; without it, the SSH agent is asked. `jump` is the SSH host on the way, where
    there is no direct one. `gpu` (a row of the catalogue's
    gpus.toml), `memory_gib` and `disk_gib` describe the host, so that what cannot fit is refused before anything is
    deployed; without them, `up` looks at the host itself, and a GPU's memory is judged by nobody.
    `restart_unhealthy_seconds` is how long an engine or the gateway may be unhealthy until it is started again; 0 is
    for ever. Where nobody says, it is five minutes on another machine, and for ever on this one, where somebody sits.
    `data_root` is where this Docker engine keeps its files (`docker info`), which monitoring reads logs in.
    """

    kind: Literal["docker"] = "docker"
    host: str | None = None
    host_key: HostKey | None = None
    key_file: FilePath | None = None
    jump: Jump | None = None
    gpus: int = Field(0, ge=0, le=64, description="NVIDIA GPUs that containers of this host may use")
    gpu: str | None = Field(None, description="name of each of these GPUs in the catalogue, such as RTX-4060")
    memory_gib: float | None = Field(None, gt=0, description="main memory of the host")
    disk_gib: float | None = Field(None, gt=0, description="disk space that weights may take")
    data_root: AbsolutePath = "/var/lib/docker"
    restart_unhealthy_seconds: int | None = Field(
        None, ge=0, le=86400, description="how long a service may be unhealthy until it is started again; 0: for ever"
    )

    @field_validator("host")
    @classmethod
    def _is_local_or_ssh(cls, host: str | None) -> str | None:
        if host is None or re.fullmatch(r"unix:///[A-Za-z0-9._/-]+", host):
            return host
        if host.startswith("tcp://"):
            raise ValueError("an engine on tcp:// gives root to whoever reaches it — use ssh://user@host or TLS")
        if not host.startswith("ssh://"):
            raise ValueError("not an address of a Docker engine — write unix:///path or ssh://user@host:port")
        return ssh_address(host)

    @model_validator(mode="after")
    def _gpu_is_known(self) -> Self:
        if self.gpu is not None and self.gpu not in (known := hardware().gpus):
            raise ValueError(f"gpu '{self.gpu}' is not in the catalogue — use one of {', '.join(known)}")
        if self.gpu is not None and self.gpus == 0:
            raise ValueError(f"gpu says that this host has a {self.gpu}, and gpus says it has none — set gpus: 1")
        return self

    @model_validator(mode="after")
    def _ssh_is_pinned(self) -> Self:
        if self.remote and self.host_key is None:
            raise ValueError(
                "host_key is missing, so any machine that answers would be trusted — pin ssh host key: "
                "host_key: ssh-ed25519 AAAA…"
            )
        if not self.remote and (self.host_key or self.key_file or self.jump):
            raise ValueError("host_key, key_file and jump belong to an ssh:// host — remove them or set host")
        return self

    @property
    def remote(self) -> bool:
        """Whether the engine is on another machine."""
        return self.host is not None and self.host.startswith("ssh://")

    @property
    def patience(self) -> int:
        """How long a service may be unhealthy until it is started again, in seconds; 0: for ever."""
        own = self.restart_unhealthy_seconds
        return own if own is not None else PATIENCE_SECONDS if self.remote else 0

    @property
    def where(self) -> str:
        """The place in a few words, for tables and messages."""
        return self.host or "this machine's Docker engine"

    @property
    def name(self) -> str | None:
        """The name or address by which the host is reached; None for this machine."""
        return parts(self.host)[1] if self.host and self.remote else None
