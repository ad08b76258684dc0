"""What is checked before anything is deployed: the engine answers, the port is free, disk, memory and CPUs suffice."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from components import watchdog
from components.plan import has_watchdog, monitoring_mib
from ops.errors import UserError

if TYPE_CHECKING:
    from docker import DockerClient

    from components.settings import Settings

DISK_RESERVE = 0.10
"""Control 21: a tenth of the disk is left free; the volumes' sizes hold the headroom of a fifth already."""


def port_is_free(client: DockerClient, stack: str, bind: str, port: int, what: str = "gateway") -> None:
    """Raise UserError naming the owner when something else listens on the address of `what`: gateway or webui."""
    if port in held_ports(client, stack):
        return
    with socket.socket(socket.AF_INET6 if ":" in bind else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, port))
            return
        except PermissionError:
            raise UserError(
                f"port {port} on {bind} may not be used by this user",
                harm=f"the {what} could not be published",
                fix=f"set slm:{what}: port to 1024 or more in Pulumi.{stack}.yaml",
            ) from None
        except OSError:
            owner = _owner(client, port)
    raise UserError(
        f"port {port} on {bind} is taken by {owner}",
        harm=f"the {what} could not be published",
        fix=f"stop it, or set another port: slm:{what}: port in Pulumi.{stack}.yaml",
    )


def held_ports(client: DockerClient, stack: str) -> set[int]:
    """Ports of the host that the stack's own containers are made to publish.

    One that ends and is started again and again, as after a power cut, publishes nothing in some moments.
    """
    own = client.containers.list(filters={"label": f"slm.stack={stack}"})
    declared = (container.attrs["HostConfig"].get("PortBindings") or {} for container in own)
    return {int(entry["HostPort"]) for ports in declared for entries in ports.values() for entry in entries or ()}


def _publishes(ports: dict[str, list[dict[str, str]] | None], port: int) -> bool:
    return any(int(entry["HostPort"]) == port for entries in ports.values() for entry in entries or [])


def _owner(client: DockerClient, port: int) -> str:
    for container in client.containers.list():
        if _publishes(container.ports, port):
            return f"container '{container.name}'"
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
                name = psutil.Process(connection.pid).name() if connection.pid else "a process of another user"
                return f"process '{name}' (pid {connection.pid})" if connection.pid else name
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        pass
    return "another process"


def disk_suffices(root: Path, wanted_bytes: int) -> None:
    """Raise UserError when the disk at `root` cannot take volumes of `wanted_bytes` with the reserve of control 21."""
    if root.exists():
        usage = shutil.disk_usage(root)
        space_suffices(root, usage.total, usage.free, wanted_bytes)


def space_suffices(root: Path, total: int, free: int, wanted_bytes: int) -> None:
    """As `disk_suffices`, for a disk of `total` bytes of which `free` are."""
    needed = int(wanted_bytes + total * DISK_RESERVE)
    if wanted_bytes and free < needed:
        raise UserError(
            f"the disk of {root} has {gigabytes(free)} free; the weights need {gigabytes(needed)}"
            f" ({gigabytes(wanted_bytes)}, a fifth of it headroom, and a tenth of the disk left free)",
            harm="a full disk would stop every container on this host",
            fix="free space (docker system df), or choose a smaller model",
        )


def memory_suffices(limits: Iterable[tuple[str, int]], total_bytes: int) -> None:
    """Raise UserError when the memory limits of all engines (name, MiB) are more than the host has."""
    limits = list(limits)
    wanted = sum(mib for _, mib in limits) * 1024 * 1024
    if wanted > total_bytes:
        parts = ", ".join(f"{name} {mib / 1024:.1f} GiB" for name, mib in limits)
        raise UserError(
            f"the engines' memory limits ({parts}) are more than this host's {total_bytes / 2**30:.1f} GiB",
            harm="the kernel would kill an engine in the middle of a request",
            fix="choose a smaller model, less context or parallel, or lower the memory limit",
        )


def memory_limits(settings: Settings) -> list[tuple[str, int]]:
    """What each service of a stack may take of its host's memory: name and MiB."""
    limits = [(name, engine.memory_mib(settings.model_of(name))) for name, engine in settings.hosted.items()]
    limits.append(("gateway", settings.gateway.memory_mib))
    limits += [("webui", page.memory_mib)] if (page := settings.webui) else []
    limits += [(watchdog.NAME, watchdog.MEMORY_MIB)] if has_watchdog(settings) else []
    return limits + ([("monitoring", monitoring_mib(settings))] if settings.monitoring else [])


def cpu_limits(settings: Settings) -> list[tuple[str, float]]:
    """How many cores each engine may use."""
    return [(name, engine.cpus) for name, engine in settings.hosted.items()]


def cpus_suffice(limits: Iterable[tuple[str, float]], cores: int) -> None:
    """Raise UserError when one container asks for more CPUs than the host has: Docker refuses to make it."""
    for name, cpus in limits:
        if cpus > cores:
            raise UserError(
                f"engine '{name}' asks for {cpus:g} CPUs; this host has {cores}",
                harm="Docker refuses to make such a container",
                fix=f"set slm:engines: {name}: cpus to {cores} or less",
            )


def gigabytes(size: int) -> str:
    """Bytes as people read them."""
    return f"{size / 1e9:.1f} GB"


def default_docker_root() -> Path:
    """Where a local engine keeps its data when it does not say."""
    return Path(os.environ.get("DOCKER_ROOT", "/var/lib/docker"))
