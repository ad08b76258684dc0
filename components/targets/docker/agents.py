"""What a few programs may see of a Docker host beyond their own container, and which controls that breaks (pure).

Nothing else may: a workload is an agent only by what the plan says of its surroundings.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from re import fullmatch

from components.targets.placement import UnsupportedError, View
from components.targets.spec import Docker
from components.workload import Workload

DEFAULT_SOCKET = "/var/run/docker.sock"


@dataclass(frozen=True)
class Bind:
    """A path of the host at a path of the container, for reading only."""

    host: str
    path: str


@dataclass(frozen=True)
class AgentException:
    """A control that every agent with this view breaks, why nothing less does, and until when that was decided."""

    view: View
    control: int
    reason: str
    expires: date


_REVIEW = date(2027, 11, 30)

EXCEPTIONS = (
    AgentException(
        "container-engine",
        11,
        "cAdvisor learns from the engine which container is whose; only a proxy that passes a few questions has the"
        " socket, on a network where nobody but cAdvisor is",
        _REVIEW,
    ),
    AgentException(
        "container-engine",
        1,
        "the socket belongs to the host's root and to a group that has another number on each host; it has no"
        " capability, and who has the socket needs none",
        _REVIEW,
    ),
    AgentException(
        "container-logs",
        11,
        "Docker keeps what containers write in files of its own folder, and offers no other way that survives a"
        " restart of the reader; mounted for reading only",
        _REVIEW,
    ),
    AgentException(
        "container-logs",
        1,
        "these files belong to the host's root alone; it has no capability, so it reads what root owns and no more",
        _REVIEW,
    ),
    AgentException(
        "container-restarts",
        11,
        "an unhealthy container is started again by nobody else, and who does so must tell the engine; a proxy in the"
        " same container, which is on no network, passes that for the stack's own containers and nothing more",
        _REVIEW,
    ),
    AgentException(
        "container-restarts",
        1,
        "the socket belongs to the host's root and to a group that has another number on each host; it has no"
        " capability, and who has the socket needs none",
        _REVIEW,
    ),
    AgentException(
        "control-groups",
        11,
        "memory and processor time of other containers stand in the kernel's control groups only; mounted for reading"
        " only, with the numbers by which Docker finds their layers",
        _REVIEW,
    ),
)
"""Every exception there is; checks of running containers and tests read it."""

_PATHS = {
    "container-engine": (r"/.+\.sock",),
    "container-logs": (r"/.+/containers",),
    "container-restarts": (r"/.+\.sock",),
    "control-groups": (r"/sys/fs/cgroup", r"/.+/image/overlay2/layerdb/mounts"),
}
"""The host's paths of each view, wherever an engine keeps its files."""

_AS_ROOT = frozenset(e.view for e in EXCEPTIONS if e.control == 1)


def as_agent(workload: Workload, view: View | None) -> Workload:
    """The workload as it runs on a Docker host: as root, without any capability, where only root may look."""
    if view not in _AS_ROOT:
        return workload
    # No description can ask for root (`Workload.user`); it is this target that knows whose files these are.
    return workload.model_copy(update={"user": 0, "group": 0})


def binds(view: View | None, spec: Docker) -> list[Bind]:
    """The host's paths that this view is made of."""
    root = spec.data_root
    match view:
        case "container-engine" | "container-restarts":
            socket = (spec.host or "").removeprefix("unix://") if not spec.remote else ""
            return [Bind(socket or DEFAULT_SOCKET, DEFAULT_SOCKET)]
        case "container-logs":
            return [Bind(f"{root}/containers", "/logs")]
        case "control-groups":
            layers = f"{root}/image/overlay2/layerdb/mounts"
            return [Bind("/sys/fs/cgroup", "/sys/fs/cgroup"), Bind(layers, layers)]
        case None:
            return []
        case "gpu-users" | "own-kubelet" | "kubelets":
            raise UnsupportedError(f"a Docker host has no {view} to show — run it on a cluster")


def may_see(view: str | None, path: str) -> bool:
    """Whether a container with this view may have this path of its host today."""
    return 11 in _in_force(view) and any(fullmatch(pattern, path) for pattern in _PATHS.get(view or "", ()))


def may_be_root(view: str | None) -> bool:
    """Whether a container with this view may run as root today."""
    return 1 in _in_force(view)


def _in_force(view: str | None) -> frozenset[int]:
    today = date.today()
    return frozenset(e.control for e in EXCEPTIONS if e.view == view and e.expires >= today)
