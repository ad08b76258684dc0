"""A Docker engine as the stack file describes it."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, field_validator, model_validator

from components.catalog.hardware import hardware
from components.targets.spec.paths import FilePath
from components.workload import AbsolutePath, Value

HostKey = Annotated[str, StringConstraints(strip_whitespace=True)]


class Docker(Value):
    """A Docker engine: this machine's, or an edge host's over SSH.

    `host` is `unix:///path` or `ssh://user@host[:port]`; without it, the engine that the DOCKER_HOST variable or the
    usual socket names. `host_key` pins the SSH host: `ssh-ed25519 AAAA…`, one line of its /etc/ssh/*.pub.
    `key_file` is the private key's path; without it, the SSH agent is asked. `gpu` (a row of the catalogue's
    gpus.toml), `memory_gib` and `disk_gib` describe the host, so that what cannot fit is refused before anything is
    deployed; without them, `up` looks at the host itself, and a GPU's memory is judged by nobody.
    `data_root` is where this Docker engine keeps its files (`docker info`), which monitoring reads logs in.
    """

    kind: Literal["docker"] = "docker"
    host: str | None = None
    host_key: HostKey | None = None
    key_file: FilePath | None = None
    gpus: int = Field(0, ge=0, le=64, description="NVIDIA GPUs that containers of this host may use")
    gpu: str | None = Field(None, description="name of each of these GPUs in the catalogue, such as RTX-4060")
    memory_gib: float | None = Field(None, gt=0, description="main memory of the host")
    disk_gib: float | None = Field(None, gt=0, description="disk space that weights may take")
    data_root: AbsolutePath = "/var/lib/docker"

    @field_validator("host")
    @classmethod
    def _is_local_or_ssh(cls, host: str | None) -> str | None:
        if host is None or re.fullmatch(r"unix:///[A-Za-z0-9._/-]+", host):
            return host
        if host.startswith("tcp://"):
            raise ValueError("an engine on tcp:// gives root to whoever reaches it — use ssh://user@host or TLS")
        if re.match(r"^ssh://[^/@]*:[^/]*@", host):
            raise ValueError("a password in the address would be committed — use agent or key path (key_file)")
        if not re.fullmatch(r"ssh://[a-z_][a-z0-9_-]*@[A-Za-z0-9.-]+(:[0-9]{1,5})?", host):
            raise ValueError("not an address of a Docker engine — write unix:///path or ssh://user@host:port")
        if (port := _port(host)) is not None and not 0 < port < 65536:
            raise ValueError("port outside 1-65535 — give the port of its SSH server")
        return host

    @field_validator("host_key")
    @classmethod
    def _is_a_public_key(cls, key: str | None) -> str | None:
        if key is None:
            return None
        kind, _, rest = key.partition(" ")
        try:
            blob = base64.b64decode(rest.split(" ")[0], validate=True)
        except (binascii.Error, ValueError):
            blob = b""
        if not blob[4:].startswith(kind.encode()) or kind not in _HOST_KEY_KINDS or len(blob) < 40:
            raise ValueError(
                "not a public SSH host key — copy one line of `ssh-keyscan HOST` without the host name, "
                "after comparing its fingerprint on the host: 'ssh-ed25519 AAAA…'"
            )
        return key

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
        if not self.remote and (self.host_key or self.key_file):
            raise ValueError("host_key and key_file belong to an ssh:// host — remove them or set host")
        return self

    @property
    def remote(self) -> bool:
        """Whether the engine is on another machine."""
        return self.host is not None and self.host.startswith("ssh://")

    @property
    def where(self) -> str:
        """The place in a few words, for tables and messages."""
        return self.host or "this machine's Docker engine"

    @property
    def undeployable(self) -> str | None:
        return "a Docker engine over ssh:// cannot be deployed to yet" if self.remote else None


_HOST_KEY_KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")


def _port(host: str) -> int | None:
    try:
        return urlsplit(host).port
    except ValueError:
        return -1
