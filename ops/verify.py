"""Look at the containers that really run and say which security control each of them breaks.

The same rules as in docs/security.md, read from the engine itself, so a change by hand or a provider that dropped a
setting is seen too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from components.targets.docker.agents import may_be_root, may_see

Inspected = Mapping[str, Any]
PUBLISHED = ("gateway", "grafana", "webui")
GRACEFUL = ("SIGTERM", "SIGUSR1")
FORBIDDEN_MOUNTS = ("/", "/etc", "/proc", "/sys", "/var/lib/docker", "/var/run/docker.sock", "/run/docker.sock")


@dataclass(frozen=True)
class Finding:
    """One control one container breaks."""

    control: int
    container: str
    problem: str


@dataclass(frozen=True)
class Rule:
    """A control and the test of it on `docker inspect`; gives the problem, or None when it holds."""

    control: int
    test: Callable[[Inspected], str | None]


def _host(inspected: Inspected) -> Mapping[str, Any]:
    host: Mapping[str, Any] = inspected["HostConfig"]
    return host


def _view(inspected: Inspected) -> str | None:
    """What the container may see of its host: only agents of monitoring have such a label."""
    view: str | None = (inspected["Config"]["Labels"] or {}).get("slm.view")
    return view


def _user(i: Inspected) -> str | None:
    user = str(i["Config"]["User"])
    parts = user.split(":")
    if parts[0] == "0" and may_be_root(_view(i)):
        return None
    return None if all(p.isdigit() for p in parts) and int(parts[0]) > 0 else f"runs as '{user or 'root'}'"


def _read_only(i: Inspected) -> str | None:
    return None if _host(i)["ReadonlyRootfs"] else "its root file system can be written"


def _tmpfs(i: Inspected) -> str | None:
    for path, options in (_host(i).get("Tmpfs") or {}).items():
        missing = [word for word in ("nosuid", "size=", "uid=", "mode=") if word not in options]
        if missing:
            return f"tmpfs {path} lacks {', '.join(missing)}"
    return None


def _capabilities(i: Inspected) -> str | None:
    dropped = {c.upper() for c in _host(i).get("CapDrop") or []}
    added = {c.upper().removeprefix("CAP_") for c in _host(i).get("CapAdd") or []}
    if "ALL" not in dropped:
        return "does not drop all capabilities"
    return f"adds capabilities {sorted(added)}" if added - {"NET_BIND_SERVICE"} else None


def _security_options(i: Inspected) -> str | None:
    options = _host(i).get("SecurityOpt") or []
    if not any(o.startswith("no-new-privileges") and not o.endswith("false") for o in options):
        return "may gain new privileges"
    return next((f"has {o}" for o in options if "unconfined" in o), None)


def _isolated(i: Inspected) -> str | None:
    host = _host(i)
    if host["Privileged"]:
        return "is privileged"
    modes = ("PidMode", "IpcMode", "NetworkMode", "UTSMode", "UsernsMode")
    return next((f"shares the host's {m}" for m in modes if host.get(m) == "host"), None)


def _limits(i: Inspected) -> str | None:
    host = _host(i)
    if not host["Memory"]:
        return "has no memory limit"
    if host["MemorySwap"] != host["Memory"]:
        return "may swap beyond its memory limit"
    return None if host["NanoCpus"] or host["CpuQuota"] else "has no CPU limit"


def _pids(i: Inspected) -> str | None:
    return None if (_host(i).get("PidsLimit") or 0) > 0 else "has no limit on processes"


def _ports(i: Inspected) -> str | None:
    published = [b for bindings in (_host(i).get("PortBindings") or {}).values() for b in bindings or []]
    if published and i["Config"]["Labels"].get("slm.workload") not in PUBLISHED:
        return "publishes a port, which only the gateway may, and the pages for people"
    return (
        "publishes on every address of the host"
        if any(b["HostIp"] in ("", "0.0.0.0", "::") for b in published)
        else None
    )


def _networks(i: Inspected) -> str | None:
    return "is on the default bridge" if "bridge" in i["NetworkSettings"]["Networks"] else None


def _is_forbidden(source: str) -> bool:
    """Whether it is one of the forbidden paths, or below one of them but the root itself."""
    return any(source == path or (path != "/" and source.startswith(f"{path}/")) for path in FORBIDDEN_MOUNTS)


def _mounts(i: Inspected) -> str | None:
    found = (m for m in i["Mounts"] if m["Type"] == "bind" and _is_forbidden(m["Source"]))
    bad = (m for m in found if m.get("RW", True) or not may_see(_view(i), m["Source"]))
    return next((f"mounts {m['Source']}" for m in bad), None)


def _health(i: Inspected) -> str | None:
    return None if (i["Config"].get("Healthcheck") or {}).get("Test") else "has no health check"


def _restart(i: Inspected) -> str | None:
    return (
        None
        if _host(i)["RestartPolicy"]["Name"] in ("unless-stopped", "on-failure")
        else "does not come back after a crash"
    )


def _logs(i: Inspected) -> str | None:
    config = _host(i)["LogConfig"]["Config"] or {}
    return None if {"max-size", "max-file"} <= set(config) else "its logs grow without limit"


def _stop(i: Inspected) -> str | None:
    return None if i["Config"].get("StopTimeout") and i["Config"].get("StopSignal") in GRACEFUL else "has no drain time"


RULES: tuple[Rule, ...] = (
    Rule(1, _user), Rule(2, _read_only), Rule(3, _tmpfs), Rule(4, _capabilities), Rule(5, _security_options),
    Rule(6, _isolated), Rule(7, _limits), Rule(8, _pids), Rule(9, _ports), Rule(10, _networks), Rule(11, _mounts),
    Rule(12, _health), Rule(13, _restart), Rule(14, _logs), Rule(18, _stop),
)  # fmt: skip


def broken_controls(inspected: Inspected) -> list[Finding]:
    """Every control of RULES that one container breaks, from its `docker inspect`.

    An agent of monitoring is excused from what its view of the host needs (components/targets/docker/agents.py).
    """
    name = str(inspected["Name"]).lstrip("/")
    problems = ((rule.control, rule.test(inspected)) for rule in RULES)
    return [Finding(control, name, problem) for control, problem in problems if problem]
