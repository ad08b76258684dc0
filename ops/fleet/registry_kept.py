"""What a host's engine has of an image that the registry offers, and what it keeps of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ops.fleet.registry import LOOPBACK
from ops.fleet.registry_steps import Offer, Step

if TYPE_CHECKING:
    from docker import DockerClient


ARRIVED = "slm.local/arrived"
"""The repository of names for images that are only steps: one has such a name when all of it is on the host's disk."""


def lacking_of(client: DockerClient, offer: Offer) -> tuple[Step, ...]:
    """What an engine lacks of an image: nothing when it has it. Asks it once, and once more for each image.

    What may not be whole of earlier deliveries is removed, as the engine would take it for complete: a power cut leaves
    layers with files that are empty or missing.
    """
    found, doubtful, damaged = {}, [], False
    for image in client.api.images(all=True):
        ours = bool(_pulled(image, offer)) or image["Id"] == offer.id
        layers = _layers(client, image["Id"])
        damaged = damaged or (ours and layers is None)
        if ours:
            doubtful.append(image)
        if layers is not None:
            found[image["Id"]] = layers
    for image in doubtful:
        # The engine names the images that it cannot read, and not the layer below them that is at fault.
        if damaged or (_pulled(image, offer) and not image["RepoTags"]):
            client.api.remove_image(image["Id"], force=True)
            found.pop(image["Id"], None)
    return () if offer.id in found else offer.lacking(found.values())


def _layers(client: DockerClient, image: str) -> Sequence[str] | None:
    """The ids of an image's layers; None when the engine cannot read it."""
    from docker.errors import APIError

    try:
        return client.images.get(image).attrs["RootFS"].get("Layers") or ()
    except APIError as error:
        if error.is_server_error():
            return None
        raise


def _pulled(image: Mapping[str, Any], offer: Offer) -> list[str]:
    """The names under which an image was pulled as a step of the offer."""
    manifests = {step.manifest for step in offer.steps}
    named = [str(name).partition("@") for name in image["RepoDigests"] or ()]
    return [
        f"{repository}@{digest}"
        for repository, _, digest in named
        if digest in manifests and repository.startswith(f"{LOOPBACK}:") and repository.endswith(f"/{offer.name}")
    ]


def mark_arrived(client: DockerClient, pulled: str, step: Step) -> None:
    """Name the image of a step, pulled by the name `pulled`, as one that is on the disk."""
    client.api.tag(pulled, ARRIVED, _arrived(step))


def remove_steps(client: DockerClient, offer: Offer) -> None:
    """The names that pulling gave, and the images that were only steps: the layers stay with the whole image."""
    import docker.errors

    marks = {f"{ARRIVED}:{_arrived(step)}" for step in offer.steps}
    for image in client.api.images():
        for name in (*_pulled(image, offer), *marks.intersection(image["RepoTags"] or ())):
            with suppress(docker.errors.ImageNotFound):
                client.api.remove_image(name, noprune=True)


def _arrived(step: Step) -> str:
    return step.manifest.removeprefix("sha256:")[:12]
