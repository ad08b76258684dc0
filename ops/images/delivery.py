"""How images reach a host behind SSH: published ones it pulls itself, those built here come from this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filelock import FileLock
from rich.console import Console

from components.catalog import ImageRow, catalog
from components.settings import Settings
from components.targets.docker.ssh_errors import SshError
from components.targets.spec import Docker
from ops import docker_client
from ops.bundle import loaded
from ops.errors import UserError
from ops.hosts import images as host_images
from ops.images.build import Builder
from ops.images.resolve import RegistrySilent, find, pull, resolve
from ops.machine import PROJECT, STATE_DIRECTORY, write_private

if TYPE_CHECKING:
    from docker import DockerClient

    from ops.fleet.registry_steps import Offer

REGISTRY = PROJECT / STATE_DIRECTORY / "registry"
"""The layers of images built here, in the form hosts get them; they may be removed at any time."""


def bring_all(host: DockerClient, spec: Docker, settings: Settings, console: Console) -> dict[str, str]:
    """The image of every role the stack needs, present on the host afterwards: `role` to image.

    A role that the stack can do without is left out, and said so, where neither the host nor this machine has it.
    Raises UserError when another one can neither be pulled there nor made here.
    """
    rows, chosen, carried = catalog().images, dict[str, str](), dict[str, str]()
    pulls = not loaded.is_loaded()
    optional = settings.optional_roles()
    for role in [*settings.roles(), *optional]:
        wanted = settings.images.get(role)
        if wanted and has(host, wanted) and not _outdated(rows[role], role, wanted, console):
            chosen[role] = wanted
            continue
        published = _published(rows[role], wanted)
        # A host that reaches no registry waits half a minute to find that out: once is enough.
        if published and pulls and (pulls := _pulled(host, published, role, console)):
            chosen[role] = published
        elif role not in optional:
            chosen[role] = carried[role] = made_here(settings, role, console)
        elif (image := found_here(settings, role, console)) and runs_there(host, image):
            chosen[role] = carried[role] = image
        else:
            harm = f"the stack runs without its {role} ({rows[role].purpose})"
            console.print(f"  image [bold]{role}[/bold]: left out, no registry serves it; {harm}", soft_wrap=True)
    for role, image in carried.items():
        if not has(host, image):
            if not runs_there(host, image):
                raise UserError(
                    f"the image of {role} on this machine is for another processor than the host's",
                    harm="it would not start there, so it was not carried",
                    fix="give the host a way to the registry, or run the command on a machine like the host",
                )
            carry(spec, role, image, console)
    return chosen


def carry(spec: Docker, role: str, image: str, console: Console) -> None:
    """Bring an image of this machine's engine to a host, layer by layer, through its connection. Raises UserError."""
    from ops.fleet.registry import Registry
    from ops.fleet.registry_pull import deliver

    offer = offered(image)
    with Registry(REGISTRY, read_only=True) as registry, console.status(f"image {role}") as status:
        try:
            done = deliver(
                spec,
                registry.port,
                offer,
                lambda got, all_: status.update(f"image {role}: {got / 1e6:.0f} of {all_ / 1e6:.0f} MB to the host"),
            )
        except SshError as error:
            raise docker_client.as_user_error(error) from None
    told = f"{done.received / 1e6:.1f} MB carried, {done.kept} of {len(offer.steps)} layers were there"
    console.print(f"  image [bold]{role}[/bold]: {told}" + (f", {done.attempts} attempts" * (done.attempts > 1)))


def offered(image: str) -> Offer:
    """The image as hosts get it: its layers are put into the registry's folder once, whichever host is first.

    Raises UserError.
    """
    from ops.fleet.registry import Registry
    from ops.fleet.registry_steps import Offer

    note = REGISTRY / "offers" / f"{image.removeprefix('sha256:')}.json"
    with _one_at_a_time():
        if not note.exists():
            with Registry(REGISTRY) as registry:
                offer = registry.offer(docker_client.connect(), image)
            note.parent.mkdir(exist_ok=True)
            write_private(note, offer.model_dump_json())
        return Offer.model_validate_json(note.read_text())


def _one_at_a_time() -> FileLock:
    """Hosts are changed side by side; what they all need is made by the first, and the others wait for it."""
    REGISTRY.mkdir(parents=True, exist_ok=True, mode=0o700)
    return FileLock(REGISTRY / "lock")


def made_here(settings: Settings, role: str, console: Console) -> str:
    """The id of a role's image in this machine's own engine, where it is built when it is not there."""
    local = docker_client.connect()
    with _one_at_a_time():
        return _made(local, settings, role, console)


def found_here(settings: Settings, role: str, console: Console) -> str | None:
    """The id of a role's image that this machine's engine has or can pull; None without. Raises UserError."""
    local = docker_client.connect()
    with _one_at_a_time():
        image = find(
            local, role, catalog().images[role], settings.images.get(role), Builder(local, console), console, {}
        )
        return str(local.images.get(image).id) if image else None


def _made(local: DockerClient, settings: Settings, role: str, console: Console) -> str:
    image = resolve(local, role, catalog().images[role], settings.images.get(role), Builder(local, console), console)
    return str(local.images.get(image).id)


def runs_there(host: DockerClient, image: str) -> bool:
    """Whether an image of this machine's engine is for the processor of another engine's machine."""
    told = str(host.info()["Architecture"])
    return host_images.of_image(docker_client.connect(), image) == host_images.ARCHITECTURES.get(told, told)


def has(client: DockerClient, image: str) -> bool:
    """Whether an engine has this image."""
    import docker.errors

    try:
        client.images.get(image)
    except docker.errors.ImageNotFound:
        return False
    return True


def _outdated(row: ImageRow, role: str, image: str, console: Console) -> bool:
    """Whether an image built here was built from other contents than this checkout has."""
    if row.build is None or "@" in image:
        return False
    try:
        local = docker_client.connect()
    except UserError:
        return False  # Without an engine here nothing newer was built.
    current = Builder(local, console).present(role, row)
    return current is not None and current != image


def _published(row: ImageRow, wanted: str | None) -> str | None:
    return wanted if wanted and "@" in wanted else row.pinned


def _pulled(host: DockerClient, image: str, role: str, console: Console) -> bool:
    """Let the host pull a published image; False when it reaches no registry."""
    try:
        pull(host, image)
    except RegistrySilent as reason:
        console.print(f"  image [bold]{role}[/bold]: the host reaches no registry ({reason}); it comes from here")
        return False
    console.print(f"  image [bold]{role}[/bold]: pulled by the host, {image}")
    return True


def sizes_here(settings: Settings) -> dict[str, int]:
    """The images this stack would bring from this machine, as far as its engine has them: id to bytes unpacked."""
    rows, found = catalog().images, dict[str, int]()
    try:
        local = docker_client.connect()
    except UserError:
        return {}  # Without an engine here nothing is brought from here.
    builder = Builder(local, Console(quiet=True))
    for role in settings.roles():
        image = settings.images.get(role)
        with _one_at_a_time():
            there = image and (loaded.bring(local, image) or has(local, image))
        image = image if there else builder.present(role, rows[role])
        if image:
            own = local.images.get(image)
            found[str(own.id)] = int(own.attrs["Size"])
    return found
