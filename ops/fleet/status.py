"""How the hosts of a fleet are: reachable, what runs, whether it is what is described, how long certificates last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.table import Table

from components.plan import plan
from components.settings import Settings, SettingsError, load, load_overlay
from components.settings.image_rules import SOME_IMAGE
from components.targets.docker.container import Names
from components.targets.docker.ssh_errors import SshError
from components.targets.docker.tunnel import Tunnel
from ops import docker_client
from ops.errors import UserError
from ops.fleet import certificates, kept
from ops.fleet.authority import RENEW_BEFORE, days_left
from ops.fleet.side_by_side import side_by_side
from ops.machine import Machine
from ops.place import endpoint_of


@dataclass(frozen=True)
class State:
    """One host. Of `containers` that its description has, `healthy` run well; `current`: what is described now runs."""

    host: str
    problem: str = ""
    containers: int = 0
    healthy: int = 0
    model: str = ""
    endpoint: str = ""
    page: str = ""
    current: bool | None = None
    certificate_days: int | None = None

    @property
    def good(self) -> bool:
        """Whether all of it runs."""
        return not self.problem and 0 < self.containers == self.healthy


def look(stack: str, hosts: Sequence[str], project: Path, parallel: int) -> list[State]:
    """Look at hosts of the fleet `stack`, `parallel` at a time."""
    return side_by_side(stack, hosts, project, parallel, look_at)


def look_at(machine: Machine) -> State:
    """Look at one host."""
    import docker
    from docker.errors import DockerException

    host = machine.stack.partition(".")[2]
    try:
        settings = load(machine.stack, machine.project, load_overlay(machine.config_path))
    except SettingsError as error:
        return State(host, str(error.problems[0]))
    path = certificates.public_part(machine)
    known = State(
        host,
        model=next((settings.model_of(name).name for name in settings.hosted), ""),
        endpoint=endpoint_of(settings, machine.stack),
        page=settings.webui.endpoint if settings.webui else "",
        current=kept.is_current(machine, settings),
        certificate_days=days_left(path.read_text()) if path.exists() else None,
    )
    spec = docker_client.docker_target(settings)
    if spec is None:
        raise UserError(f"host '{host}' is no Docker engine", fix="kind: docker")
    try:
        with Tunnel(spec) as tunnel:
            client = docker.DockerClient(base_url=tunnel.url, timeout=60)
            label = f"slm.stack={machine.stack}"
            found = client.containers.list(all=True, filters={"label": label}, ignore_removed=True)
            services = [one for one in found if one.attrs["Config"].get("Healthcheck")]
    except SshError as error:
        return replace(known, problem=error.failure.kind)
    except (DockerException, OSError) as error:
        return replace(known, problem=f"Docker: {error}")
    healthy = [one for one in services if (one.attrs["State"].get("Health") or {}).get("Status") == "healthy"]
    problem = "" if services else "nothing runs"
    return replace(known, problem=problem, containers=services_of(settings), healthy=len(healthy))


def services_of(settings: Settings) -> int:
    """How many containers a stack's services are."""
    images = {role: settings.images.get(role, SOME_IMAGE) for role in settings.roles()}
    known = settings.model_copy(update={"images": images})
    naming = {name: Names("stack") for name in settings.targets}
    return len(list(plan(known, naming)))


def table(states: Sequence[State]) -> Table:
    """A line for each host."""
    pages = any(one.page for one in states)
    shown = Table("host", "state", "containers", "model", "described", "certificate", "endpoint")
    if pages:
        shown.add_column("page", overflow="fold")
    for one in states:
        state = one.problem or ("good" if one.good else "not healthy")
        colour = "green" if one.good else "red"
        current = {None: "never deployed", True: "as described", False: "[yellow]behind[/yellow]"}[one.current]
        days = one.certificate_days
        ends = "" if days is None else f"{days} days"
        soon = days is not None and days < RENEW_BEFORE.days
        shown.add_row(
            one.host,
            f"[{colour}]{state}[/{colour}]",
            f"{one.healthy} of {one.containers} healthy" if one.containers else "",
            one.model,
            current,
            f"[yellow]{ends}[/yellow]" if soon else ends,
            one.endpoint,
            *([one.page] if pages else []),
        )
    return shown
