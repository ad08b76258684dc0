"""What a hand has removed or stopped, which `pulumi up` alone would not notice."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Console

from ops import health, unfinished_files
from ops.recovery.containers import listed
from ops.recovery.state import Known

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container


STARTS_BY_ITSELF = 5.0
"""Seconds an engine may take after its start until it has started the containers that should run."""


def repair(client: DockerClient, stack: str, known: list[Known], console: Console) -> list[str]:
    """Start what was stopped by hand; gives the options with which `pulumi up` makes again what was removed by hand."""
    names = [item.name for item in known if item.kind == "containers"]
    for container in unfinished_files.mend(client, names, console):
        container.reload()
        health.wait_healthy(container, ask=True)
    if missing := _missing(client, stack, known):
        console.print(f"  removed by hand: {', '.join(missing)}; made again")
        return ["--refresh"]
    _start_stopped(client, known, console)
    return []


def _missing(client: DockerClient, stack: str, known: list[Known]) -> list[str]:
    """Names of what the state has and the engine has not."""
    filters = {"label": f"slm.stack={stack}"}
    present = {
        "containers": {str(c.id) for c in listed(client, filters)},
        "networks": {str(n.id) for n in client.networks.list(filters=filters)},
        "volumes": {str(v.name) for v in client.volumes.list(filters=filters)},
    }
    return [item.name for item in known if item.id not in present[item.kind]]


def _start_stopped(client: DockerClient, known: list[Known], console: Console) -> None:
    """Start containers that were stopped by hand, and wait until they are healthy as a deployment would."""
    started = []
    stopped = [client.containers.get(item.id) for item in known if item.runs]
    for container in _once_started(stopped):
        if container.status in ("exited", "paused"):
            console.print(f"  {container.name} was {container.status}: starting it again")
            container.unpause() if container.status == "paused" else container.start()
            started.append(container)
    for container in started:
        if not health.wait_healthy(container, ask=True):
            # With the settings it was made with it cannot run; those of this deployment may replace it.
            console.print(
                f"  {container.name} ends again and again (docker logs {container.name}): going on without it"
            )


def _once_started(containers: list[Container]) -> list[Container]:
    """The containers as they are when an engine that has just begun has started those that it will by itself.

    To start one at the same moment as the engine does leaves it without its published port.
    """
    end = time.monotonic() + STARTS_BY_ITSELF
    while any(c.status == "exited" for c in containers) and time.monotonic() < end:
        time.sleep(0.5)
        for container in containers:
            container.reload()
    return containers
