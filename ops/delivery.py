"""How images reach a host behind SSH: published ones it pulls itself, those built here come from this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from components.catalog import ImageRow, catalog
from components.settings import Settings
from components.targets.spec import Docker
from ops import docker_client
from ops.images import RegistrySilent, pull, resolve
from ops.images_build import Builder

if TYPE_CHECKING:
    from docker import DockerClient


def bring_all(host: DockerClient, spec: Docker, settings: Settings, console: Console) -> dict[str, str]:
    """The image of every role the stack needs, present on the host afterwards: `role` to image.

    Raises UserError when one can neither be pulled there nor made here.
    """
    rows, chosen, carried = catalog().images, dict[str, str](), dict[str, str]()
    for role in settings.roles():
        wanted = settings.images.get(role)
        if wanted and has(host, wanted) and not _outdated(rows[role], role, wanted, console):
            chosen[role] = wanted
        elif (published := _published(rows[role], wanted)) and _pulled(host, published, role, console):
            chosen[role] = published
        else:
            chosen[role] = carried[role] = made_here(settings, role, console)
    if missing := {role: image for role, image in carried.items() if not has(host, image)}:
        from ops.fleet.registry import deliver

        deliver(missing, host, spec, console)
    return chosen


def made_here(settings: Settings, role: str, console: Console) -> str:
    """The id of a role's image in this machine's own engine, where it is built when it is not there."""
    local = docker_client.connect()
    image = resolve(local, role, catalog().images[role], settings.images.get(role), Builder(local, console), console)
    return str(local.images.get(image).id)


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
    builder = Builder(docker_client.connect(), console)
    current = builder.present(role, row)
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
