"""The rules for one container on a Docker host, whoever describes it: Pulumi's inputs, or the engine itself.

docs/security.md tells what each control demands and why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from components.targets.docker.agents import may_be_root, may_see

PUBLISHED = ("gateway", "grafana", "webui")
GRACEFUL = ("SIGTERM", "SIGUSR1")
FORBIDDEN_MOUNTS = ("/", "/etc", "/proc", "/sys", "/var/lib/docker", "/var/run/docker.sock", "/run/docker.sock")
EVERYWHERE = ("", "0.0.0.0", "::")
WRITABLE = ("nosuid", "size=", "uid=", "mode=")
"""What the options of a directory in memory must say."""


@dataclass(frozen=True)
class Bind:
    """A path of the host in the container."""

    source: str
    writable: bool


@dataclass(frozen=True)
class Container:
    """A container in the words of the rules. Sizes are in the describer's own unit; 0 and below mean no limit."""

    user: str
    read_only: bool
    tmpfs: Mapping[str, str]
    drops: frozenset[str]
    adds: frozenset[str]
    security_options: tuple[str, ...]
    privileged: bool
    modes: Mapping[str, str]
    memory: int
    memory_swap: int
    limits_cpu: bool
    pids: int
    published: tuple[str, ...]
    networks: frozenset[str]
    binds: tuple[Bind, ...]
    is_probed: bool
    restart: str
    log_options: frozenset[str]
    stop_timeout: int
    stop_signal: str
    workload: str = ""
    view: str | None = None
    never_runs: bool = field(default=False)


@dataclass(frozen=True)
class ContainerRule:
    """A control and the test of it; `test` gives the problem, or None where it holds. `harm` and `fix` are for people.

    `only_running`: it is about a process, and a container that is made and never started has none.
    """

    control: int
    path: str
    test: Callable[[Container], str | None]
    harm: str
    fix: str
    only_running: bool = False


def _user(c: Container) -> str | None:
    parts = c.user.split(":")
    if parts[0] == "0" and may_be_root(c.view):
        return None
    return None if all(p.isdigit() for p in parts) and int(parts[0]) > 0 else f"runs as '{c.user or 'root'}'"


def _read_only(c: Container) -> str | None:
    return None if c.read_only else "its root file system can be written"


def _tmpfs(c: Container) -> str | None:
    for path, options in c.tmpfs.items():
        missing = [word for word in WRITABLE if word not in options]
        if missing:
            return f"tmpfs {path} lacks {', '.join(missing)}"
    return None


def _capabilities(c: Container) -> str | None:
    dropped = {one.upper() for one in c.drops}
    added = {one.upper().removeprefix("CAP_") for one in c.adds}
    if "ALL" not in dropped:
        return "does not drop all capabilities"
    return f"adds capabilities {sorted(added)}" if added - {"NET_BIND_SERVICE"} else None


def _security_options(c: Container) -> str | None:
    if not any(o.startswith("no-new-privileges") and not o.endswith("false") for o in c.security_options):
        return "may gain new privileges"
    return next((f"has {o}" for o in c.security_options if "unconfined" in o), None)


def _isolated(c: Container) -> str | None:
    if c.privileged:
        return "is privileged"
    return next((f"shares the host's {mode}" for mode, value in c.modes.items() if value == "host"), None)


def _limits(c: Container) -> str | None:
    if not c.memory:
        return "has no memory limit"
    if c.memory_swap != c.memory:
        return "may swap beyond its memory limit"
    return None if c.limits_cpu else "has no CPU limit"


def _pids(c: Container) -> str | None:
    return None if c.pids > 0 else "has no limit on processes"


def _ports(c: Container) -> str | None:
    if c.published and c.workload not in PUBLISHED:
        return "publishes a port, which only the gateway may, and the pages for people"
    return "publishes on every address of the host" if set(c.published) & set(EVERYWHERE) else None


def _networks(c: Container) -> str | None:
    return "is on the default bridge" if "bridge" in c.networks else None


def _is_forbidden(source: str) -> bool:
    """Whether it is one of the forbidden paths, or below one of them but the root itself."""
    return any(source == path or (path != "/" and source.startswith(f"{path}/")) for path in FORBIDDEN_MOUNTS)


def _mounts(c: Container) -> str | None:
    bad = (b for b in c.binds if _is_forbidden(b.source) and (b.writable or not may_see(c.view, b.source)))
    return next((f"mounts {b.source}" for b in bad), None)


def _health(c: Container) -> str | None:
    return None if c.is_probed else "has no health check"


def _restart(c: Container) -> str | None:
    return None if c.restart in ("unless-stopped", "on-failure") else "does not come back after a crash"


def _logs(c: Container) -> str | None:
    return None if {"max-size", "max-file"} <= c.log_options else "its logs grow without limit"


def _stop(c: Container) -> str | None:
    return None if c.stop_timeout and c.stop_signal in GRACEFUL else "has no drain time"


RULES: tuple[ContainerRule, ...] = (
    ContainerRule(1, "user", _user, "whoever breaks in is one hole from the host's root", "a numeric user:group", True),
    ContainerRule(2, "readOnly", _read_only, "whoever breaks in can change the program", "readOnly: true", True),
    ContainerRule(3, "tmpfs", _tmpfs, "it fills the memory, or cannot be written", "say size, uid, mode, nosuid", True),
    ContainerRule(4, "capabilities", _capabilities, "it can do what root can", "drops: [ALL]"),
    ContainerRule(5, "securityOpts", _security_options, "a program can become root", "no-new-privileges:true alone"),
    ContainerRule(6, "privileged", _isolated, "it sees or rules the host", "nothing of the host's"),
    ContainerRule(7, "memory", _limits, "it can starve the host", "memory, the same memorySwap, cpuQuota", True),
    ContainerRule(8, "labels", _pids, "a fork bomb ends the host", "label slm.pids with the limit", True),
    ContainerRule(9, "ports", _ports, "others reach it past the gateway's keys", "publish the gateway, on one address"),
    ContainerRule(10, "networksAdvanced", _networks, "every container of the host reaches it", "the stack's network"),
    ContainerRule(11, "volumes", _mounts, "who reads that path rules the host", "a named volume"),
    ContainerRule(12, "healthcheck", _health, "nobody notices that it does not serve", "give it a health check", True),
    ContainerRule(13, "restart", _restart, "one crash is the end of it", "restart: unless-stopped", True),
    ContainerRule(14, "logOpts", _logs, "its lines fill the host's disk", "max-size and max-file", True),
    ContainerRule(18, "stopTimeout", _stop, "running answers are cut", "stopTimeout, SIGTERM", True),
)


def problems(container: Container) -> list[tuple[ContainerRule, str]]:
    """Every rule that the container breaks, with what is wrong.

    An agent of monitoring is excused from what its view of the host needs (components/targets/docker/agents.py).
    """
    rules = (rule for rule in RULES if not (rule.only_running and container.never_runs))
    return [(rule, problem) for rule in rules if (problem := rule.test(container))]
