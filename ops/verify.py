"""Look at the containers that really run and say which security control each of them breaks.

The rules are those of the policy pack (policies/container.py), asked of what the engine itself says, so a change by
hand or a provider that dropped a setting is seen too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policies.container import PUBLISHED, RULES, Bind, Container, problems

__all__ = ["PUBLISHED", "RULES", "Finding", "broken_controls", "inspected"]
Inspected = Mapping[str, Any]
MODES = ("PidMode", "IpcMode", "NetworkMode", "UTSMode", "UsernsMode")


@dataclass(frozen=True)
class Finding:
    """One control one container breaks."""

    control: int
    container: str
    problem: str


def inspected(i: Inspected) -> Container:
    """What `docker inspect` says of a container, in the words of the rules."""
    host, config = i["HostConfig"], i["Config"]
    labels = config["Labels"] or {}
    published = [b["HostIp"] for bound in (host.get("PortBindings") or {}).values() for b in bound or []]
    return Container(
        user=str(config["User"]),
        read_only=bool(host["ReadonlyRootfs"]),
        tmpfs=host.get("Tmpfs") or {},
        drops=frozenset(host.get("CapDrop") or ()),
        adds=frozenset(host.get("CapAdd") or ()),
        security_options=tuple(host.get("SecurityOpt") or ()),
        privileged=bool(host["Privileged"]),
        modes={mode: str(host.get(mode) or "") for mode in MODES},
        memory=host["Memory"],
        memory_swap=host["MemorySwap"],
        limits_cpu=bool(host["NanoCpus"] or host["CpuQuota"]),
        pids=host.get("PidsLimit") or 0,
        published=tuple(published),
        networks=frozenset(i["NetworkSettings"]["Networks"]),
        binds=tuple(_binds(i)),
        is_probed=bool((config.get("Healthcheck") or {}).get("Test")),
        restart=str(host["RestartPolicy"]["Name"]),
        log_options=frozenset(host["LogConfig"]["Config"] or {}),
        stop_timeout=config.get("StopTimeout") or 0,
        stop_signal=config.get("StopSignal") or "",
        workload=labels.get("slm.workload", ""),
        view=labels.get("slm.view"),
    )


def _binds(i: Inspected) -> Iterator[Bind]:
    for mount in i["Mounts"]:
        if mount["Type"] == "bind":
            yield Bind(mount["Source"], mount.get("RW", True))


def broken_controls(seen: Inspected) -> list[Finding]:
    """Every control that one container breaks, from its `docker inspect`."""
    name = str(seen["Name"]).lstrip("/")
    return [Finding(rule.control, name, problem) for rule, problem in problems(inspected(seen))]
