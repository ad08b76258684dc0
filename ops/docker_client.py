"""The Docker engine of a stack's gateway host, or a sentence about why it does not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.settings import Settings
from components.targets.spec import Docker
from ops.errors import UserError

if TYPE_CHECKING:
    from docker import DockerClient


def connect(host: str | None = None) -> DockerClient:
    """A client whose engine has answered. Raises UserError naming what is wrong and what to do."""
    import docker
    import docker.errors

    try:
        client = docker.DockerClient(base_url=host, timeout=60) if host else docker.from_env(timeout=60)
        client.ping()
    except (docker.errors.DockerException, OSError) as error:
        text = f"{error} {error.__cause__ or ''}"
        if "Permission denied" in text or "PermissionError" in text:
            raise UserError(
                "this user may not use the Docker engine's socket",
                harm="nothing can be deployed",
                fix='sudo usermod -aG docker "$USER", log in again, then run the command again',
            ) from None
        raise UserError(
            f"the Docker engine at {host or 'its usual place'} does not answer",
            harm="nothing can be deployed, and what runs cannot be seen; nothing was changed",
            fix="start it (sudo systemctl start docker, or Docker Desktop), or let `make setup` do it, then run again",
        ) from None
    return client


def of(settings: Settings) -> DockerClient:
    """The engine a stack's gateway runs on. Raises UserError as `connect` does, and for a stack on another kind."""
    target = settings.targets[settings.gateway.target]
    if not isinstance(target, Docker):
        raise UserError(f"target '{settings.gateway.target}' is no Docker engine", fix="use a target of kind docker")
    return connect(target.host)
