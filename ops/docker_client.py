"""The Docker engine of a stack's gateway host, or a sentence about why it does not answer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from components.settings import Settings
from components.targets.spec import Docker
from ops.errors import UserError
from tools.docker_engine import ask_socket, diagnose, explain

if TYPE_CHECKING:
    from docker import DockerClient


def connect(host: str | None = None) -> DockerClient:
    """A client whose engine has answered. Raises UserError naming what is wrong and what to do."""
    import docker

    engine = ask_socket(Path(host.removeprefix("unix://"))) if host and host.startswith("unix://") else diagnose()
    if engine.state != "ready":
        found = explain(engine)
        elsewhere = "\nor unset DOCKER_HOST, to use this machine's own engine" if os.environ.get("DOCKER_HOST") else ""
        raise UserError(
            found.what if engine.host in found.what else f"{found.what} ({engine.host})",
            harm="nothing can be deployed, and what runs cannot be seen; nothing was changed",
            fix=f"{found.fix}{elsewhere}\nthen run the command again",
        )
    # Pulumi's provider, which looks in the usual place only, has to reach the same engine.
    os.environ.update(engine.environment())
    return docker.DockerClient(base_url=engine.host, timeout=60)


def of(settings: Settings) -> DockerClient:
    """The engine a stack's gateway runs on. Raises UserError as `connect` does, and for a stack on another kind."""
    target = settings.targets[settings.gateway.target]
    if not isinstance(target, Docker):
        raise UserError(
            f"this command looks at the containers of a Docker engine, and target '{settings.gateway.target}' is none",
            fix="make check, preview, up, rotate-key and down work on clusters; for the rest ask the cluster (kubectl)",
        )
    return connect(target.host)
