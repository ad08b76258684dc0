"""What a target is told besides the workload: what surrounds it there, whose child it becomes, where secrets come from.

`Surroundings` and `Naming` need no Pulumi, so that a target's decisions can be rendered and tested without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from components.workload import Workload

if TYPE_CHECKING:
    import pulumi

View = Literal[
    "container-engine", "container-logs", "container-restarts", "control-groups", "gpu-users", "own-kubelet", "kubelets"
]
"""What an agent may see of the machine it runs on: the container engine's own interface, to ask it or to start a
container again; what containers wrote; what the kernel counts of them; which containers use its GPUs. On a cluster also
its own node's kubelet, which it only leads to, and what kubelets say of containers. Each is an exception from the
controls, listed by the target that grants it."""

Each = Literal["machine", "gpu-machine"]
"""Of which machines each one runs a copy."""

AGENT_VIEWS: frozenset[View] = frozenset({"container-logs", "gpu-users"})
"""What needs paths of a cluster's nodes: who has such a view lives apart from the stack (control 41)."""

Circle = Literal["engines", "monitoring", "engine-api"]
"""Who meets whom where a target has networks instead of policies: the engines and the gateway; the parts of monitoring;
the one agent that has the engine's interface and who asks it."""


class Secrets(Protocol):
    """Where the content of secret files comes from, by name."""

    def content(self, name: str) -> pulumi.Output[str]:
        """The secret's content, marked secret. Raises KeyError for a name the stack has no secret for."""


@dataclass(frozen=True)
class Exposure:
    """A workload's port on the outside of a target: host address and port, and the names clients call it by."""

    bind: str
    port: int
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Caller:
    """A workload of the stack that opens connections to this one, on `port` (its own without one).

    `agent`: it has rights over its machine, so a target that has a place apart for such has put it there.
    """

    name: str
    port: int | None = None
    agent: bool = False


@dataclass(frozen=True)
class Outside:
    """An endpoint outside the target that a workload with `egress` opens connections to: a name or an address."""

    host: str
    port: int


@dataclass(frozen=True)
class Signal:
    """Where an autoscaler reads how much is asked of a workload: the number `field` of the JSON that any copy of
    `workload` answers on `port` at `path`. One copy is right for `per_copy` of it.
    """

    workload: str
    port: int
    path: str
    field: str
    per_copy: float


@dataclass(frozen=True)
class Scale:
    """How many copies of a workload run: always `least`, or between `least` and `most` as `signal` tells.

    `idle_seconds` is how long nothing must have been asked before the last copy goes, where `least` is 0.
    """

    least: int = 1
    most: int = 1
    signal: Signal | None = None
    idle_seconds: int = 600

    @property
    def moves(self) -> bool:
        """Whether an autoscaler decides the number, and nobody else may."""
        return self.signal is not None and self.least != self.most


@dataclass(frozen=True)
class Surroundings:
    """What surrounds a workload where it runs.

    `callers` are the workloads that may open connections to it, and nobody else of the stack may; `calls` says whether
    it calls workloads of the stack itself, `outside` are the endpoints it calls beyond. `metrics_port` is the port that
    monitoring reads, and an autoscaler as well where its figures decide about others' copies (`scales_others`).
    `other_gpus` are the GPUs that the other workloads of the stack take on the same target at their most.
    `advised`: what it needs is a guess here, so that an autoscaler that measures it is asked for its advice.
    `circles` is where it is: in none, it meets only other exposed workloads, and so reaches the gateway and no engine.
    Outside the engines' circle, who has no way out asks no name server outside.
    `view` is what it may see of its machine. `on_each`: a copy of it runs on every such machine of the target.
    """

    exposure: Exposure | None = None
    circles: tuple[Circle, ...] = ("engines",)
    callers: tuple[Caller, ...] = ()
    calls: bool = False
    outside: tuple[Outside, ...] = ()
    scale: Scale = Scale()
    metrics_port: int | None = None
    scales_others: bool = False
    other_gpus: int = 0
    advised: bool = False
    view: View | None = None
    on_each: Each | None = None

    @property
    def is_agent(self) -> bool:
        """Whether it lives apart, because of what it sees of its machine."""
        return self.view in AGENT_VIEWS


@dataclass(frozen=True)
class Placement:
    """How one workload is placed: its parent in the resource tree, its secrets, and what surrounds it."""

    parent: pulumi.Resource
    secrets: Secrets
    around: Surroundings = Surroundings()


class Naming(Protocol):
    """How workloads of a target find each other, and clients the exposed ones."""

    @property
    def stack(self) -> str:
        """The name of the stack."""

    def resolver(self) -> str | None:
        """The name server, `host:port`, that knows the names of workloads; None for the one of the container's own
        /etc/resolv.conf.
        """

    def host_of(self, name: str) -> str:
        """The name under which the other workloads reach the workload `name`."""

    def copies_host_of(self, name: str) -> str:
        """The name that stands for each copy of an exposed workload, for whoever reads the figures of each."""

    def agent_host_of(self, name: str) -> str:
        """The same of an agent that lives apart, because of what it sees of its machine."""

    def addresses_of(self, scale: Scale) -> int:
        """How many addresses the name of a workload of this scale can stand for at once."""

    def outside(self, exposure: Exposure) -> str:
        """Host and port by which clients call an exposed workload."""


class Target(Naming, Protocol):
    """A place where workloads run."""

    def run(self, workload: Workload, at: Placement) -> pulumi.Output[str]:
        """Realise the workload and give its container's or pod set's id. Raises UnsupportedError naming the fix."""

    def address(self, name: str) -> pulumi.Output[str] | None:
        """The address that an exposed workload was given by a load balancer, for a name server's record; or None."""


class UnsupportedError(ValueError):
    """A target cannot honour something a workload asks for; the message names workload, target and fix."""
