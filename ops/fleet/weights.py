"""The weights that a host has, and those it lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.neighbours import fetching, given, record
from components.settings import Settings
from components.settings.image_rules import SOME_IMAGE
from components.targets.docker.container import Names
from components.workload import Volume, Workload
from ops.fleet.sharing import Held
from ops.local_weights import has_file, holder

if TYPE_CHECKING:
    from docker import DockerClient


def fetched(settings: Settings) -> dict[str, tuple[Volume, Workload, int]]:
    """The volumes of a stack into which weights are fetched, by name: each with the job, and the bytes of weights."""
    images = {role: settings.images.get(role, SOME_IMAGE) for role in settings.roles()}
    known, found = settings.model_copy(update={"images": images}), dict[str, tuple[Volume, Workload, int]]()
    for name, engine in settings.hosted.items():
        model = settings.model_of(name)
        size = model.origin_of(engine.weights_of(model)[0]).size_bytes
        for volume in known.workload_of(name).filled_volumes:
            if job := fetching(volume):
                found[volume.name] = volume, job, size
    return found


def look(client: DockerClient, stack: str, settings: Settings, *, closely: bool) -> tuple[Held, ...]:
    """What a host has and lacks. A volume that exists counts as filled, unless the host is looked at `closely`."""
    names, present = Names(stack), {str(volume.name) for volume in client.volumes.list()}
    return tuple(
        Held(
            volume=name,
            size=size,
            files=given(job),
            there=names.volume(name) in present
            and (not closely or _is_filled(client, names, settings.images.get("fetch"), volume, job)),
        )
        for name, (volume, job, size) in fetched(settings).items()
    )


def _is_filled(client: DockerClient, names: Names, image: str | None, volume: Volume, job: Workload) -> bool:
    """Whether the record lies in the volume that is written when all is fetched and verified.

    Nothing can be looked at without an image; a host that lacks the one that fetches has fetched nothing.
    """
    import docker.errors

    if image is None:
        return False
    try:
        with holder(client, image, names, volume, job.name) as looking:
            return has_file(client, looking, f"{volume.path}/{record(job)}")
    except docker.errors.ImageNotFound:
        return False
