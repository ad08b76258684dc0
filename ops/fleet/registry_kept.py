"""What a host's engine has of an image that the registry offers, and what it keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ops.fleet.registry import LOOPBACK
from ops.fleet.registry_steps import Offer, Step

if TYPE_CHECKING:
    from docker import DockerClient


def lacking_of(client: DockerClient, offer: Offer) -> tuple[Step, ...]:
    """What an engine lacks of an image: nothing when it has it. Asks it once, and once more for each image.

    What a power cut has damaged of earlier deliveries is removed: the engine would take it for complete.
    """
    from docker.errors import APIError

    found = {}
    for image in client.api.images(all=True):
        try:
            found[image["Id"]] = client.images.get(image["Id"]).attrs["RootFS"].get("Layers") or ()
        except APIError as error:
            if not error.is_server_error():
                raise
            if image["Id"] == offer.id or _pulled(image, offer):
                client.api.remove_image(image["Id"], force=True)
    return () if offer.id in found else offer.lacking(found.values())


def _pulled(image: Mapping[str, Any], offer: Offer) -> list[str]:
    """The names under which an image was pulled as a step of the offer."""
    manifests = {step.manifest for step in offer.steps}
    named = [str(name).partition("@") for name in image["RepoDigests"] or ()]
    return [
        f"{repository}@{digest}"
        for repository, _, digest in named
        if digest in manifests and repository.startswith(f"{LOOPBACK}:") and repository.endswith(f"/{offer.name}")
    ]


def remove_steps(client: DockerClient, offer: Offer) -> None:
    """The names that pulling gave, and the images that were only steps: the layers stay with the whole image."""
    import docker.errors

    for image in client.api.images():
        for name in _pulled(image, offer):
            with suppress(docker.errors.ImageNotFound):
                client.api.remove_image(name, noprune=True)
