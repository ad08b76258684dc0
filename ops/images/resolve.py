"""Which image plays each role on this machine: the pinned one from a registry, or one built here from packages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Console

from components.catalog import ImageRow, catalog
from components.settings.image_rules import registry_of
from components.targets.spec import Docker
from ops.bundle import loaded
from ops.errors import UserError
from ops.images.build import Builder

if TYPE_CHECKING:
    from docker import DockerClient

    from components.settings import Settings


class RegistrySilent(Exception):
    """The registry cannot serve now; the message says why in the engine's words."""


def resolve_all(client: DockerClient, settings: Settings, console: Console) -> dict[str, str]:
    """The image of every role the stack needs, present in its Docker engine afterwards: `role` to image.

    `settings.images` is tried first (recorded by an earlier run, set by the stack, or pinned in the catalogue). A role
    that the stack can do without is left out, and said so, where no registry offers it. Raises UserError when another
    one can neither be pulled nor built.
    """
    target = settings.targets[settings.gateway.target]
    builder = Builder(client, console, target.host if isinstance(target, Docker) else None)
    rows, silent = catalog().images, dict[str, str]()

    def look(role: str) -> str | None:
        return find(client, role, rows[role], settings.images.get(role), builder, console, silent)

    found = {role: look(role) for role in settings.roles()}
    extra = {role: look(role) for role in settings.optional_roles()}
    for role in (role for role, image in extra.items() if image is None):
        harm = f"the stack runs without its {role} ({rows[role].purpose})"
        console.print(f"  image [bold]{role}[/bold]: left out, no package registry has it; {harm}", soft_wrap=True)
    to_build = [role for role, image in found.items() if image is None]
    builder.prepare([rows[role] for role in to_build])
    found |= {role: builder.build(role, rows[role]) for role in to_build}
    return {role: image for role, image in (found | extra).items() if image}


def resolve(
    client: DockerClient, role: str, row: ImageRow, wanted: str | None, builder: Builder, console: Console
) -> str:
    """One role's image: the one `find` gives, else one built here now. Raises UserError."""
    return find(client, role, row, wanted, builder, console, {}) or builder.build(role, row)


def find(
    client: DockerClient,
    role: str,
    row: ImageRow,
    wanted: str | None,
    builder: Builder,
    console: Console,
    silent: dict[str, str],
) -> str | None:
    """One role's image, `repository:tag@sha256:…` or the id `sha256:…` of one built here; None when it must be built.

    An image built here by an older version of its build folder is built anew. A digest the registry does not have is
    an error and never replaced by another image. `silent` collects registries that did not answer, with the reason:
    none is asked twice. Raises UserError.
    """
    if loaded.bring(client, wanted) or (wanted and usable(client, row, wanted, builder)):
        return wanted
    published = wanted if wanted and "@" in wanted else row.pinned
    if published and usable(client, row, published, builder):
        return published
    if built := builder.present(role, row):
        return built
    then = "; built here from packages" if row.build else ""
    if published is None:
        why = "no registry offers it" if not row.published else "its digest is not known (make pin looks it up)"
        if row.build:
            console.print(f"  image [bold]{role}[/bold]: built here, because {why}")
        return None
    host = registry_of(published.partition("@")[0])
    try:
        if host not in silent:
            with console.status(f"pulling {published}") as status:
                pull(client, published, status.update)
            console.print(f"  image [bold]{role}[/bold]: pulled {published}")
            return published
    except RegistrySilent as reason:
        silent[host] = str(reason)
    console.print(f"  image [bold]{role}[/bold]: the registry does not serve it ({silent[host]}){then}")
    return None


def usable(client: DockerClient, row: ImageRow, image: str, builder: Builder) -> bool:
    """Whether the engine has the image, and it is no outdated build of ours."""
    import docker.errors

    try:
        found = client.images.get(image)
    except docker.errors.ImageNotFound:
        return False
    return builder.up_to_date(row, found)


def pull(client: DockerClient, image: str, show: Callable[[str], None] = lambda _text: None) -> None:
    """Pull by digest. Raises RegistrySilent when the registry cannot be asked, UserError when it has no such image."""
    import docker.errors

    name, _, digest = image.rpartition("@")
    repository = name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name
    layers: dict[str, tuple[int, int]] = {}
    try:
        for message in client.api.pull(repository, tag=digest, stream=True, decode=True):
            if error := message.get("error"):
                raise docker.errors.APIError(error)
            detail = message.get("progressDetail") or {}
            if message.get("status") == "Downloading" and detail.get("total"):
                layers[message["id"]] = (detail["current"], detail["total"])
                done, total = (sum(values) / 1e6 for values in zip(*layers.values(), strict=True))
                show(f"pulling {name}: {done:.0f} of {total:.0f} MB")
    except docker.errors.APIError as error:
        reason = str(error.explanation or error)
        if "manifest unknown" in reason or "manifest for" in reason:
            raise UserError(
                f"the registry has no image {image}",
                harm="another image under the same name could be anything, so none was taken",
                fix="`make pin` looks up the digest that the registry has now; review the change it makes",
            ) from None
        raise RegistrySilent(_short(reason)) from None


def _short(reason: str) -> str:
    """The end of the engine's chain of reasons, which is the cause."""
    return reason.strip().rsplit(": ", 1)[-1][:120]
