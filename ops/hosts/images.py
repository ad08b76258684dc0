"""Whether a host's processor runs the images it would get, as far as images, engines and registries say."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from components.catalog import catalog
from components.settings import Settings
from components.settings.image_rules import registry_of
from ops.bundle import loaded
from ops.errors import UserError

if TYPE_CHECKING:
    from docker import DockerClient

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "amd64": "amd64", "arm64": "arm64"}
"""What kernels and engines call a processor, and what images call it."""

Offers = Mapping[str, frozenset[str] | None]
"""For each role the architectures its published image exists for; None where the host could ask nobody."""


def here() -> str:
    """The architecture of this machine, and of the images built on it."""
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def offers(client: DockerClient, settings: Settings, there: str) -> Offers:
    """What is offered to a host (`client` is its engine) whose architecture is `there`.

    The host's own engine asks the registry, because the host will pull. It is asked only where the answer matters and
    is not known: a host like this machine gets from here what it cannot pull, and what the catalogue pins runs on it.
    """
    found: dict[str, frozenset[str] | None] = {}
    silent: set[str] = set()
    if loaded.is_loaded():  # Nothing is pulled then: a bundle has all images, for this machine's architecture.
        return found
    for role in settings.roles():
        image = settings.images.get(role, "")
        name, at, _ = image.rpartition("@")
        if not at or (there == here() and image == catalog().images[role].pinned):
            continue
        if (own := of_image(client, image)) is not None:
            found[role] = frozenset({own})
            continue
        registry = registry_of(name)
        found[role] = None if registry in silent else _asked(client, image)
        if found[role] is None:
            silent.add(registry)
    return found


def of_image(client: DockerClient, image: str) -> str | None:
    """The architecture of an image that an engine has; None where it has no such image."""
    import docker.errors

    try:
        told = str(client.images.get(image).attrs["Architecture"])
    except docker.errors.ImageNotFound:
        return None
    return ARCHITECTURES.get(told, told)


def _asked(client: DockerClient, image: str) -> frozenset[str] | None:
    """The architectures that a registry has the image for, by the engine's own question; None without an answer."""
    import docker.errors
    import requests

    try:
        platforms = client.images.get_registry_data(image).attrs.get("Platforms") or ()
    except (docker.errors.APIError, requests.RequestException):
        return None
    return frozenset(str(one.get("architecture")) for one in platforms if one.get("os") == "linux")


def unfit(settings: Settings, machine: str, offered: Offers) -> Iterator[UserError]:
    """Why a host with this processor cannot run the stack's images; nothing when it can (pure)."""
    there = ARCHITECTURES.get(machine)
    if there is None:
        yield UserError(
            f"its processor is {machine}",
            harm="no image of this project runs on it",
            fix="use a host with amd64 or arm64",
        )
        return
    if wrong := {role: found for role, found in offered.items() if found is not None and there not in found}:
        named = "; ".join(f"{role}: {', '.join(sorted(found)) or 'none'}" for role, found in wrong.items())
        yield UserError(
            f"the host is {there}, and published images do not exist for it ({named})",
            harm="they would not start there",
            fix=f"name images for {there} in slm:images, or use a host of another kind",
        )
    if there == here():
        return
    own = [role for role in settings.roles() if settings.images.get(role, "sha256:").startswith("sha256:")]
    if own:
        yield UserError(
            f"the host is {there}, and the images of {', '.join(own)} are built on this machine, which is {here()}",
            harm="they would not start there",
            fix=f"run the command on a machine that is {there}, or name published images in slm:images",
        )
    if unanswered := [role for role, found in offered.items() if found is None]:
        yield UserError(
            f"the host is {there}, and no registry answers it for the images of {', '.join(unanswered)}",
            harm=f"those of this machine, which is {here()}, would not start there",
            fix=f"give the host a way to the registry, or run the command on a machine that is {there}",
        )
