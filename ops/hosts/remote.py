"""What is checked of a host behind SSH before anything is changed on it: what would fail half-way, what is weak."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.settings import Settings
from components.targets.docker.container import Names
from components.targets.spec import Docker
from ops.errors import UserError
from ops.hosts import gpus as host_gpus
from ops.hosts import images as host_images
from ops.hosts import preflight
from ops.hosts.facts import HostFacts, gather
from ops.hosts.images import ARCHITECTURES, Offers
from ops.machine import Machine

if TYPE_CHECKING:
    from docker import DockerClient

OLDEST_DOCKER = (20, 10)
MOST_SKEW = 30.0
"""Seconds a host's clock may be off: certificates and logs would say wrong things."""


@dataclass(frozen=True)
class Looked:
    """What was found on one host. `failures` stop a deployment, `notes` do not."""

    failures: tuple[UserError, ...]
    notes: tuple[str, ...]
    info: Mapping[str, Any]
    facts: HostFacts
    missing_gib: float


def require(client: DockerClient, spec: Docker, machine: Machine, settings: Settings) -> Looked:
    """Look at a host. Raises UserError with the first thing that would make a deployment fail half-way."""
    looked = look(client, spec, machine, settings)
    if looked.failures:
        raise looked.failures[0]
    return looked


def look(client: DockerClient, spec: Docker, machine: Machine, settings: Settings) -> Looked:
    """Look at a host, and find all that is wrong with it. Raises UserError when it cannot be asked."""
    info = client.info()
    facts = gather(spec, info["DockerRootDir"])
    names, present = Names(machine.stack), {volume.name for volume in client.volumes.list()}
    missing = sum(v.size_gib for v in settings.volumes() if v.fill and names.volume(v.name) not in present)
    held = preflight.held_ports(client, machine.stack)
    there = ARCHITECTURES.get(facts.machine)
    offered = host_images.offers(client, settings, there) if there else {}
    failures = tuple(judged(spec, settings, info, facts, missing, held, offered))
    return Looked(failures, tuple(weak_spots(info, facts)), info, facts, missing)


def judged(
    spec: Docker,
    settings: Settings,
    info: Mapping[str, Any],
    facts: HostFacts,
    missing_gib: float,
    held: set[int],
    offered: Offers | None = None,
) -> Iterator[UserError]:
    """What would make a deployment fail half-way. `held` are the ports that the stack itself has there already,
    `offered` is what registries say of the images it would pull."""
    yield from host_images.unfit(settings, facts.machine, offered or {})
    root = Path(info["DockerRootDir"])
    checks: list[Callable[[], None]] = [
        lambda: _docker_is_new_enough(info),
        lambda: _clock_is_right(facts),
        lambda: host_gpus.require(spec.gpus, info, facts),
        lambda: preflight.space_suffices(root, facts.disk_total, facts.disk_free, int(missing_gib * 2**30)),
        lambda: preflight.memory_suffices(preflight.memory_limits(settings), int(info["MemTotal"])),
        lambda: preflight.cpus_suffice(preflight.cpu_limits(settings), int(info["NCPU"])),
        lambda: _port_is_free(facts, held, "gateway", settings.gateway.bind, settings.gateway.port),
    ]
    if page := settings.webui:
        checks.append(lambda: _port_is_free(facts, held, "webui", page.bind, page.port))
    if settings.monitoring and (pages := settings.monitoring.grafana):
        checks.append(lambda: _port_is_free(facts, held, "monitoring.grafana", pages.bind, pages.port))
    for check in checks:
        try:
            check()
        except UserError as error:
            yield error


def weak_spots(info: Mapping[str, Any], facts: HostFacts) -> Iterator[str]:
    """What of control 19 the host's engine does not hold; it is told and never changed."""
    settings, words = facts.settings or {}, facts.arguments
    if not info.get("LiveRestoreEnabled"):
        yield "live-restore is off: a restart of the engine stops every container"
    if facts.settings is None:
        yield "this user may not read /etc/docker/daemon.json, so icc and userland-proxy are not known"
    else:
        if settings.get("icc", True) and "--icc=false" not in words:
            yield "icc is on: containers on the default bridge reach each other"
        if settings.get("userland-proxy", True) and "--userland-proxy=false" not in words:
            yield "userland-proxy is on: published ports hide who calls"
    indexes = (info.get("RegistryConfig") or {}).get("IndexConfigs") or {}
    insecure = [name for name, index in indexes.items() if not index.get("Secure", True)]
    if insecure:
        yield f"registries without TLS are trusted: {', '.join(sorted(insecure))}"
    listens = [*(settings.get("hosts") or ()), *(word for word in words if "tcp://" in word)]
    if any("tcp://" in word for word in listens) and not (settings.get("tlsverify") or "--tlsverify" in words):
        yield "the engine listens on TCP without TLS: whoever reaches it is root"
    if not any("seccomp" in option for option in info.get("SecurityOptions") or ()):
        yield "seccomp is off"
    if str(info.get("CgroupVersion", "1")) == "1":
        yield "cgroup v1: Docker's support for it ends; the next release of the system should have v2"
    yield from (warning.removeprefix("WARNING: ") for warning in info.get("Warnings") or () if "limit" in warning)


def _docker_is_new_enough(info: Mapping[str, Any]) -> None:
    version = str(info.get("ServerVersion", ""))
    numbers = tuple(int(part) for part in version.split("+")[0].split("-")[0].split(".")[:2] if part.isdigit())
    if numbers < OLDEST_DOCKER:
        raise UserError(
            f"its Docker engine is version {version}",
            harm="before 20.10 limits and health checks do not work as declared",
            fix="install a newer one on the host",
        )


def _clock_is_right(facts: HostFacts) -> None:
    if abs(facts.skew) > MOST_SKEW:
        raise UserError(
            f"its clock is {abs(facts.skew):.0f} s {'ahead' if facts.skew > 0 else 'behind'}",
            harm="certificates would count as not yet valid or as expired, and logs and alerts tell wrong times",
            fix="on the host: timedatectl set-ntp true",
        )


def _port_is_free(facts: HostFacts, held: set[int], what: str, bind: str, port: int) -> None:
    if port not in held and facts.listens(bind, port):
        raise UserError(
            f"port {port} on {bind} is taken there by something else",
            harm=f"the {what} could not be published",
            fix=f"stop it, or set another port: slm:{what}: port",
        )
