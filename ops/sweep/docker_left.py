"""What of a stack is on a Docker engine, by its label: found and removed without Pulumi, which may not know of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from components.settings import SettingsError, load
from ops import docker_client
from ops.errors import UserError
from ops.sweep.backend import Backend
from ops.sweep.contents import Contents
from ops.sweep.stack import Found

if TYPE_CHECKING:
    from docker import DockerClient


class Refused(Exception):
    """A Docker engine that answers does not do what it is told; the text says what it said."""


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

    Raises Refused.
    """
    import requests
    from docker.errors import DockerException

    try:
        return list(_removed(client, {"label": f"slm.stack={stack}"}))
    except (DockerException, requests.RequestException) as error:
        raise Refused(str(error)[:300]) from None


def _removed(client: DockerClient, filters: Mapping[str, str]) -> Iterator[str]:
    import docker.errors

    for container in client.containers.list(all=True, filters=dict(filters), ignore_removed=True):
        try:
            container.remove(force=True, v=True)
        except docker.errors.NotFound:
            continue
        yield f"container {container.name}"
    for network in client.networks.list(filters=dict(filters)):
        network.remove()
        yield f"network {network.name}"
    for volume in client.volumes.list(filters=dict(filters)):
        volume.remove(force=True)
        yield f"volume {volume.name}"
