"""What a target is told besides the workload: whose child it becomes, where secrets come from, what is published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import pulumi

from components.workload import Workload


class Secrets(Protocol):
    """Where the content of secret files comes from, by name."""

    def content(self, name: str) -> pulumi.Output[str]:
        """The secret's content, marked secret. Raises KeyError for a name the stack has no secret for."""


@dataclass(frozen=True)
class Exposure:
    """A workload's port on the outside of a target: host address and port."""

    bind: str
    port: int


@dataclass(frozen=True)
class Placement:
    """How one workload is placed: its parent in the resource tree, its secrets, and whether it is exposed.

    `among_engines` False keeps it where only other exposed workloads are: it reaches the gateway and no engine, and
    asks no name server outside.
    """

    parent: pulumi.Resource
    secrets: Secrets
    exposure: Exposure | None = None
    among_engines: bool = True


class Target(Protocol):
    """A place where workloads run."""

    def run(self, workload: Workload, at: Placement) -> pulumi.Output[str]:
        """Realise the workload and give its container's or pod set's id. Raises UnsupportedError naming the fix."""

    def resolver(self) -> str:
        """Address of the name server, `host:port`, that knows the names of workloads on this target."""


class UnsupportedError(ValueError):
    """A target cannot honour something a workload asks for; the message names workload, target and fix."""
