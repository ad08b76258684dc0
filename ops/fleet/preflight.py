"""All chosen hosts are looked at, side by side, before anything is changed on any of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from components.serving import LABEL
from components.settings import Fleet, Settings, SettingsError, load, load_overlay
from components.targets.docker.ssh_errors import SshError
from components.targets.docker.tunnel import Tunnel
from ops import docker_client
from ops.errors import UserError
from ops.fleet import weights
from ops.fleet.sharing import Held
from ops.fleet.side_by_side import side_by_side
from ops.hosts import remote as remote_host
from ops.images import delivery
from ops.machine import Machine

if TYPE_CHECKING:
    from docker import DockerClient


@dataclass(frozen=True)
class Checked:
    """One host before a change. `failures` leave it out; `weights` and `images` are the bytes it would get.

    `held` is what it has and lacks of weights; `serves`: the port at which neighbours would get them is free.
    """

    host: str
    where: str = ""
    model: str = ""
    failures: tuple[UserError, ...] = ()
    looked: remote_host.Looked | None = None
    held: tuple[Held, ...] = ()
    images: int = 0
    serves: bool = False

    @property
    def weights(self) -> int:
        """Bytes of weights that it has not yet."""
        return sum(one.size for one in self.held if not one.there)

    @property
    def ready(self) -> bool:
        """Whether a deployment may begin on it."""
        return not self.failures


def check(stack: str, hosts: Sequence[str], project: Path, parallel: int, fleet: Fleet) -> list[Checked]:
    """Look at hosts of the fleet `stack`, `parallel` at a time."""
    return side_by_side(stack, hosts, project, parallel, partial(check_one, fleet=fleet))


def check_one(machine: Machine, fleet: Fleet) -> Checked:
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
            held = weights.look(client, machine.stack, settings, closely=fleet.site_of(host) is not None)
            images = images_missing(client, settings)
            serves = _serves(client, machine.stack, fleet, host, looked)
    except SshError as error:
        return Checked(host, spec.where, model, (docker_client.as_user_error(error),))
    except UserError as error:
        return Checked(host, spec.where, model, (error,))
    except (DockerException, OSError, ValueError) as error:
        told = UserError(f"its Docker engine answers wrongly: {error}", fix="see what it says, on the host")
        return Checked(host, spec.where, model, (told,))
    return Checked(host, spec.where, model, looked.failures, looked, held, images, serves)


def images_missing(client: DockerClient, settings: Settings) -> int:
    """Bytes of images that a host has not yet, unpacked, as far as this machine knows their size."""
    sizes = delivery.sizes_here(settings)
    return sum(size for image, size in sizes.items() if not delivery.has(client, image))


def _serves(client: DockerClient, stack: str, fleet: Fleet, host: str, looked: remote_host.Looked) -> bool:
    """Whether neighbours could get weights from it: nothing but an earlier run of ours has the port."""
    address, share = fleet.host(host).shares_on, fleet.share
    if address is None or share is None or fleet.site_of(host) is None:
        return False
    own = client.containers.list(filters={"label": f"{LABEL}={stack}"}, ignore_removed=True)
    return bool(own) or not looked.facts.listens(address, share.port)


def table(checked: Sequence[Checked], near: Mapping[str, int]) -> Table:
    """What was found, a line for each host; of what it downloads, `near` are the bytes that neighbours give."""
    columns = ["host", "state", "model", "Docker", "processor", "memory", "disk free", "to download"]
    shown = Table(*columns, *(["from neighbours"] if near else []), "notes")
    for one in checked:
        if not one.looked:
            shown.add_row(one.host, "[red]left out[/red]", one.model)
            continue
        given = near.get(one.host, 0)
        info, facts = one.looked.info, one.looked.facts
        shown.add_row(
            one.host,
            "[green]ready[/green]" if one.ready else "[red]left out[/red]",
            one.model,
            str(info["ServerVersion"]),
            f"{info['NCPU']} {facts.machine}",
            f"{info['MemTotal'] / 2**30:.1f} GiB",
            f"{facts.disk_free / 2**30:.0f} GiB",
            f"{(one.weights - given + one.images) / 1e9:.2f} GB",
            *([f"{given / 1e9:.2f} GB" if given else ""] if near else []),
            str(len(one.looked.notes) or ""),
        )
    return shown


def tell(checked: Sequence[Checked], near: Mapping[str, int], console: Console) -> None:
    """Print the table, then what keeps hosts out, and what is weak on which. `near` as in `table`."""
    console.print(table(checked, near))
    for one in checked:
        for failure in one.failures:
            console.print(f"  [red]{one.host}[/red] is left out: ", end="")
            console.print(failure.what, markup=False, highlight=False, soft_wrap=True)
            if failure.fix:
                console.print(f"    fix: {failure.fix}", markup=False, highlight=False, soft_wrap=True)
    for note, hosts in _by_note(checked):
        console.print(f"  note (control 19): {note} ({', '.join(hosts)})", style="dim", highlight=False, soft_wrap=True)
    weights, images = (sum(getattr(one, part) for one in checked if one.ready) for part in ("weights", "images"))
    if total := weights + images - sum(near.values()):
        told = f"{(weights - sum(near.values())) / 1e9:.2f} GB of weights, {images / 1e9:.2f} GB of images unpacked"
        console.print(f"  to the hosts: {total / 1e9:.2f} GB in all ({told})", highlight=False)
    if near:
        given = f"{sum(near.values()) / 1e9:.2f} GB of weights"
        console.print(f"  inside the sites, from neighbours: {given} for {', '.join(near)}", highlight=False)


def _by_note(checked: Sequence[Checked]) -> Iterator[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for one in checked:
        for note in one.looked.notes if one.looked else ():
            found.setdefault(note, []).append(one.host)
    yield from found.items()
