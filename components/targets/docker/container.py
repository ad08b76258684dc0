"""A Workload as arguments for Docker: pure functions, and the place where hardening is written.

`hardened` is what every container gets, service or job; the numbers are security controls. The two
renderings below it differ only in the words of their API: the Pulumi provider's and the Docker SDK's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from components.targets.docker.provider_traps import CAPABILITIES_TO_DROP, cpu_limit, go_duration
from components.targets.placement import Exposure, Scale
from components.workload import FILES_DIRECTORY, Scratch, Workload

SECURITY_OPTIONS = ("no-new-privileges:true",)
LOG_OPTIONS = {"max-size": "10m", "max-file": "3", "labels": "slm.stack,slm.workload"}
"""Docker rotates files of lines, and writes with each line which workload of which stack it is from."""
TRANSIENT = "slm.transient"
"""Label of containers that live only within one command; one that is found later was left by a killed command."""

RESOLVER = "127.0.0.11:53"

STOP_MARGIN = 5
"""Seconds between a service's own drain limit and the daemon's SIGKILL, so that the drain can end by itself."""


@dataclass(frozen=True)
class Names:
    """The names of one stack's things on one Docker host. `stack` keeps two stacks on a host apart.

    `host` is the name or address of another machine, None for this one.
    """

    stack: str
    host: str | None = None

    @property
    def prefix(self) -> str:
        return f"slm-{self.stack}"

    def container(self, workload: str) -> str:
        return f"{self.prefix}-{workload}"

    def files(self, workload: str) -> str:
        return f"{self.prefix}-{workload}-files"

    def volume(self, volume: str) -> str:
        return f"{self.prefix}-{volume}"

    def labels(self, workload: str) -> dict[str, str]:
        """How teardown, checks and people find everything that belongs to the stack."""
        return {"slm.stack": self.stack, "slm.workload": workload}

    def transient(self, workload: str) -> dict[str, str]:
        """Labels of a container that lives only within one command."""
        return {**self.labels(workload), TRANSIENT: "yes"}

    # What follows is the target's half of `Naming`: how workloads and clients find each other.

    def resolver(self) -> str:
        """Docker's embedded name server, the same in every container of a user-defined network."""
        return RESOLVER

    def host_of(self, name: str) -> str:
        """Docker's name server knows a container by its workload's name."""
        return name

    def copies_host_of(self, name: str) -> str:
        """There is one copy of a workload."""
        return self.host_of(name)

    def agent_host_of(self, name: str) -> str:
        """A Docker host has no place apart: agents have the same kind of names."""
        return self.host_of(name)

    def addresses_of(self, scale: Scale) -> int:
        """One container for one workload."""
        return 1

    def outside(self, exposure: Exposure) -> str:
        """The address and port it is published on; of all addresses of another machine, the one that is known."""
        everywhere = self.host is not None and exposure.bind in ("0.0.0.0", "::")
        address = self.host if self.host and everywhere else exposure.bind
        return f"[{address}]:{exposure.port}" if ":" in address else f"{address}:{exposure.port}"


@dataclass(frozen=True)
class Mount:
    """A named volume at a path in the container."""

    volume: str
    path: str
    read_only: bool


@dataclass(frozen=True)
class Hardened:
    """The limits and restrictions of one container (controls 1-7, 14, 18)."""

    user: str
    tmpfs: dict[str, str]
    memory_mib: int
    cpus: float
    pids: int
    shm_mib: int
    stop_seconds: int
    security_options: tuple[str, ...] = SECURITY_OPTIONS
    log_options: dict[str, str] = field(default_factory=lambda: dict(LOG_OPTIONS))


def hardened(workload: Workload) -> Hardened:
    """What the controls demand of this workload's container."""
    return Hardened(
        user=f"{workload.user}:{workload.group}",
        tmpfs={s.path: _tmpfs_options(s, workload) for s in workload.scratch},
        memory_mib=workload.resources.memory_mib,
        cpus=workload.resources.cpus,
        pids=workload.resources.pids,
        shm_mib=workload.resources.shm_mib,
        stop_seconds=workload.drain + STOP_MARGIN,
    )


def _tmpfs_options(scratch: Scratch, workload: Workload) -> str:
    # Without uid and mode a directory that exists in the image stays root's and cannot be written (finding 3).
    run = "exec" if scratch.executable else "noexec"
    return f"rw,nosuid,nodev,{run},size={scratch.size_mib}m,uid={workload.user},gid={workload.group},mode=0700"


def mounts(workload: Workload, names: Names) -> list[Mount]:
    """The named volumes of a service and where they go: its data, then its files."""
    found = [Mount(names.volume(v.name), v.path, v.read_only) for v in workload.volumes]
    if workload.files or workload.secrets:
        found.append(Mount(names.files(workload.name), FILES_DIRECTORY, True))
    return found


def service_arguments(workload: Workload, names: Names) -> dict[str, Any]:
    """Plain inputs of the provider's Container for a service; the caller wires image, networks, ports and volumes.

    Raises ValueError for a job.
    """
    limits, probe = hardened(workload), workload.probe
    if probe is None:
        raise ValueError(f"workload {workload.name} is a job; a container of a service needs a probe")
    return {
        "name": names.container(workload.name),
        "hostname": workload.name,
        # A name that no container has yet is asked for outside, where an internal network does not reach: without
        # these a service that looks one up at its start (the gateway) would stand still for 20 s.
        "dns_opts": ["timeout:1", "attempts:1"],
        "entrypoints": list(workload.command) or None,
        "command": list(workload.args) or None,
        "envs": sorted(f"{key}={value}" for key, value in workload.env.items()),
        "user": limits.user,
        "read_only": True,
        "tmpfs": limits.tmpfs or None,
        "capabilities": {"drops": CAPABILITIES_TO_DROP},
        "security_opts": list(limits.security_options),
        "privileged": False,
        "ipc_mode": "private",
        "memory": limits.memory_mib,
        "memory_swap": limits.memory_mib,
        "shm_size": limits.shm_mib,
        **cpu_limit(limits.cpus),
        "device_requests": [{"driver": "nvidia", "count": workload.gpus, "capabilities": ["gpu"]}]
        if workload.gpus
        else None,
        "healthcheck": {
            "tests": ["CMD", *probe.command],
            "interval": go_duration(probe.interval),
            "timeout": go_duration(probe.timeout),
            "retries": probe.retries,
            "start_period": go_duration(probe.startup),
        },
        "wait": True,
        "wait_timeout": probe.startup + probe.interval * probe.retries,
        # Control 13 asks for on-failure:5, but Docker does not start such a container again after a restart of the
        # machine; the named exception is in docs/security.md.
        "restart": "unless-stopped",
        "log_driver": "json-file",
        "log_opts": limits.log_options,
        "stop_signal": workload.stop_signal,
        "stop_timeout": limits.stop_seconds,
        "destroy_grace_seconds": limits.stop_seconds,
        "init": False,
        "must_run": True,
        "start": True,
    }


def job_arguments(workload: Workload, names: Names, volumes: list[Mount], network: str | None) -> dict[str, Any]:
    """Arguments of the Docker SDK's `containers.create` for a job. `network` None means no network at all."""
    limits = hardened(workload)
    return {
        "image": workload.image,
        "name": names.container(workload.name),
        "hostname": workload.name,
        "entrypoint": list(workload.command) or None,
        "command": list(workload.args) or None,
        "environment": dict(workload.env),
        "user": limits.user,
        "read_only": True,
        "tmpfs": limits.tmpfs,
        "cap_drop": CAPABILITIES_TO_DROP,
        "security_opt": list(limits.security_options),
        "ipc_mode": "private",
        "mem_limit": f"{limits.memory_mib}m",
        "memswap_limit": f"{limits.memory_mib}m",
        "shm_size": f"{limits.shm_mib}m",
        "nano_cpus": int(limits.cpus * 1_000_000_000),
        "pids_limit": limits.pids,
        "log_config": {"type": "json-file", "config": limits.log_options},
        "labels": names.transient(workload.name),
        "network": network,
        "network_disabled": network is None,
        "volumes": {m.volume: {"bind": m.path, "mode": "ro" if m.read_only else "rw"} for m in volumes},
        "stop_signal": workload.stop_signal,
    }
