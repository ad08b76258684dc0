"""Containers that no run looks after any more: those of one command, and those that an interrupted one waits for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from components.targets.docker.container import TRANSIENT

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from docker.models.volumes import Volume


ENDS = 10.0
"""Seconds a container that was told to end may go on holding its volume."""


def sweep(client: DockerClient, stack: str) -> None:
    """Remove containers that live only within one command, which a killed one left behind."""
    for container in listed(client, {"label": [f"slm.stack={stack}", TRANSIENT]}):
        remove(container)
        for volume in client.volumes.list(filters={"name": f"{container.name}-files"}):
            _remove_volume(volume)


@contextmanager
def swept(client: DockerClient, stack: str) -> Iterator[None]:
    """When the block is interrupted, remove the jobs that would otherwise go on by themselves."""
    try:
        yield
    except KeyboardInterrupt:
        sweep(client, stack)
        raise


def stop_waiting(client: DockerClient, stack: str) -> None:
    """Make an interrupted deployment end now: what it waits for are jobs, and services that have not answered yet."""
    sweep(client, stack)
    for container in listed(client, {"label": f"slm.stack={stack}", "health": "starting"}):
        remove(container)


def half_done(client: DockerClient, stack: str) -> list[str]:
    """Containers that live only within one command, and are there although none is at work."""
    return [str(c.name) for c in listed(client, {"label": [f"slm.stack={stack}", TRANSIENT]})]


def listed(client: DockerClient, filters: dict[str, Any]) -> list[Container]:
    """Containers, those that do not run as well."""
    # Without `ignore_removed` a container that ends in this moment is an error.
    found: list[Container] = client.containers.list(all=True, filters=filters, ignore_removed=True)
    return found


def remove(container: Container) -> None:
    """Remove one with its own volumes, also where somebody else does so in the same moment."""
    import docker.errors

    try:
        container.remove(force=True, v=True)
    except docker.errors.APIError as error:
        # Somebody else is removing it, or has.
        if error.status_code not in (404, 409):
            raise


def _remove_volume(volume: Volume) -> None:
    """Remove it, also where the command that made it does so in the same moment, or its container still ends."""
    import docker.errors

    end = time.monotonic() + ENDS
    while True:
        try:
            return volume.remove(force=True)
        except docker.errors.NotFound:
            return None
        except docker.errors.APIError as error:
            if error.status_code != 409 or time.monotonic() > end:
                raise
        time.sleep(0.2)
