"""All chosen hosts are looked at, side by side, before anything is changed on any of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from components.settings import Settings, SettingsError, load, load_overlay
from components.targets.docker.container import Names
from components.targets.docker.ssh_errors import SshError
from components.targets.docker.tunnel import Tunnel
from ops import delivery, docker_client, remote_host
from ops.errors import UserError
from ops.fleet.side_by_side import side_by_side
from ops.machine import Machine

if TYPE_CHECKING:
    from docker import DockerClient


@dataclass(frozen=True)
class Checked:
    """One host before a change. `failures` leave it out; `weights` and `images` are the bytes it would get."""

    host: str
    where: str = ""
    model: str = ""
    failures: tuple[UserError, ...] = ()
    looked: remote_host.Looked | None = None
    weights: int = 0
    images: int = 0

    @property
    def ready(self) -> bool:
        """Whether a deployment may begin on it."""
        return not self.failures


def check(stack: str, hosts: Sequence[str], project: Path, parallel: int) -> list[Checked]:
    """Look at hosts of the fleet `stack`, `parallel` at a time."""
    return side_by_side(stack, hosts, project, parallel, check_one)


def check_one(machine: Machine) -> Checked:
    """Look at one host."""
    import docker
    from docker.errors import DockerException

    host = machine.stack.partition(".")[2]
    try:
        settings = load(machine.stack, machine.project, load_overlay(machine.config_path))
        settings.require_deployable(machine.stack)
    except SettingsError as error:
        return Checked(host, failures=(UserError(str(error.problems[0]), fix=f"make check STACK={machine.stack}"),))
    spec = docker_client.docker_target(settings)
    if spec is None:
        return Checked(host, failures=(UserError("its target is no Docker engine", fix="kind: docker"),))
    model = next((settings.model_of(name).name for name in settings.hosted), "")
    try:
        with Tunnel(spec) as tunnel:
            client = docker.DockerClient(base_url=tunnel.url, timeout=120)
            looked = remote_host.look(client, spec, machine, settings)
            weights, images = downloads(client, machine.stack, settings)
    except SshError as error:
        return Checked(host, spec.where, model, (docker_client.as_user_error(error),))
    except UserError as error:
        return Checked(host, spec.where, model, (error,))
    except (DockerException, OSError, ValueError) as error:
        told = UserError(f"its Docker engine answers wrongly: {error}", fix="see what it says, on the host")
        return Checked(host, spec.where, model, (told,))
    return Checked(host, spec.where, model, looked.failures, looked, weights, images)


def downloads(client: DockerClient, stack: str, settings: Settings) -> tuple[int, int]:
    """Bytes of weights that a host has not yet, and of images as far as this machine knows their size unpacked."""
    names, present = Names(stack), {str(volume.name) for volume in client.volumes.list()}
    weights: dict[str, int] = {}
    for name, engine in settings.hosted.items():
        model = settings.model_of(name)
        for volume in settings.model_copy(update={"images": _any_image(settings)}).workload_of(name).filled_volumes:
            if any(job.egress for job in volume.fill) and names.volume(volume.name) not in present:
                weights[volume.name] = model.origin_of(engine.weights_of(model)[0]).size_bytes
    sizes = delivery.sizes_here(settings)
    images = sum(size for image, size in sizes.items() if not delivery.has(client, image))
    return sum(weights.values()), images


def _any_image(settings: Settings) -> dict[str, str]:
    from components.settings.image_rules import SOME_IMAGE

    return {role: settings.images.get(role, SOME_IMAGE) for role in settings.roles()}


def table(checked: Sequence[Checked]) -> Table:
    """What was found, a line for each host."""
    shown = Table("host", "state", "model", "Docker", "processor", "memory", "disk free", "to download", "notes")
    for one in checked:
        if not one.looked:
            shown.add_row(one.host, "[red]left out[/red]", one.model, "", "", "", "", "", "")
            continue
        info, facts = one.looked.info, one.looked.facts
        shown.add_row(
            one.host,
            "[green]ready[/green]" if one.ready else "[red]left out[/red]",
            one.model,
            str(info["ServerVersion"]),
            f"{info['NCPU']} {facts.machine}",
            f"{info['MemTotal'] / 2**30:.1f} GiB",
            f"{facts.disk_free / 2**30:.0f} GiB",
            f"{(one.weights + one.images) / 1e9:.2f} GB",
            str(len(one.looked.notes) or ""),
        )
    return shown


def tell(checked: Sequence[Checked], console: Console) -> None:
    """Print the table, then what keeps hosts out, and what is weak on which."""
    console.print(table(checked))
    for one in checked:
        for failure in one.failures:
            console.print(f"  [red]{one.host}[/red] is left out: ", end="")
            console.print(failure.what, markup=False, highlight=False, soft_wrap=True)
            if failure.fix:
                console.print(f"    fix: {failure.fix}", markup=False, highlight=False, soft_wrap=True)
    for note, hosts in _by_note(checked):
        console.print(f"  note (control 19): {note} ({', '.join(hosts)})", style="dim", highlight=False, soft_wrap=True)
    if total := sum(one.weights + one.images for one in checked if one.ready):
        weights, images = (sum(getattr(one, part) for one in checked if one.ready) for part in ("weights", "images"))
        told = f"{weights / 1e9:.2f} GB of weights, {images / 1e9:.2f} GB of images unpacked"
        console.print(f"  to the hosts: {total / 1e9:.2f} GB in all ({told})", highlight=False)


def _by_note(checked: Sequence[Checked]) -> Iterator[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for one in checked:
        for note in one.looked.notes if one.looked else ():
            found.setdefault(note, []).append(one.host)
    yield from found.items()
