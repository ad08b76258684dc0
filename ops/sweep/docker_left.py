"""What of a stack is on a Docker engine, by its label: found and removed without Pulumi, which may not know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.settings import SettingsError, load
from ops import docker_client
from ops.errors import UserError
from ops.sweep.backend import Backend
from ops.sweep.contents import Contents
from ops.sweep.stack import Found

if TYPE_CHECKING:
    from docker import DockerClient


def client_of(backend: Backend, stack: Found, held: Contents) -> DockerClient:
    """The engine that the stack's state names. Raises UserError when it does not answer, or is not known here."""
    if not held.remote:
        address = next(iter(held.hosts), None)
        return docker_client.connect(address)
    # A host over SSH is described, with its pinned key, by the stack that the review stack was made from.
    try:
        settings = load(stack.base or "", backend.project)
    except SettingsError:
        settings = None
    target = docker_client.docker_target(settings) if settings else None
    if settings is None or target is None or target.host not in held.hosts:
        raise UserError(f"no description here has the host {held.hosts[0]}", fix="look on that host by hand")
    return docker_client.of(settings)


def remove(client: DockerClient, stack: str) -> list[str]:
    """Remove every container, network and volume with the stack's label; gives what was removed, in words.

    Raises docker.errors.APIError for what the engine refuses.
    """
    import docker.errors

    filters = {"label": f"slm.stack={stack}"}
    gone = []
    for container in client.containers.list(all=True, filters=dict(filters), ignore_removed=True):
        try:
            container.remove(force=True, v=True)
        except docker.errors.NotFound:
            continue
        gone.append(f"container {container.name}")
    for network in client.networks.list(filters=dict(filters)):
        network.remove()
        gone.append(f"network {network.name}")
    for volume in client.volumes.list(filters=dict(filters)):
        volume.remove(force=True)
        gone.append(f"volume {volume.name}")
    return gone
