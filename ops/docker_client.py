"""The Docker engine of a stack's gateway host, or a sentence about why it does not answer."""

from __future__ import annotations

import atexit
import os
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from components.settings import Settings
from components.targets.docker.ssh_errors import SshError
from components.targets.docker.tunnel import Tunnel
from components.targets.spec import Docker
from ops.errors import UserError
from tools.docker_engine import ask_socket, diagnose, explain

if TYPE_CHECKING:
    from docker import DockerClient

GATEWAY = "gateway"
"""The name of a tunnel's way to a gateway that only its own host can call."""

_tunnels: dict[Docker, Tunnel] = {}


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
    import docker

    target = docker_target(settings)
    if target is None:
        raise UserError(
            f"this command looks at the containers of a Docker engine, and target '{settings.gateway.target}' is none",
            fix="make check, preview, up, rotate-key and down work on clusters; for the rest ask the cluster (kubectl)",
        )
    if not target.remote:
        return connect(target.host)
    # A bad link takes its time; the connection itself is watched by SSH.
    client = docker.DockerClient(base_url=tunnel_to(target, settings).url, timeout=300)
    return client


def docker_target(settings: Settings) -> Docker | None:
    """The Docker host of a stack's gateway; None for a cluster."""
    target = settings.targets[settings.gateway.target]
    return target if isinstance(target, Docker) else None


def tunnel_to(target: Docker, settings: Settings) -> Tunnel:
    """The connection to a host over SSH, which stands until this process ends. Raises UserError."""
    tunnel = _tunnels.get(target)
    if tunnel and tunnel.alive:
        return tunnel
    bind, port = settings.gateway.bind, settings.gateway.port
    forwards = {GATEWAY: (bind, port)} if ip_address(bind).is_loopback else {}
    opened = Tunnel(target, forwards)
    try:
        opened.open()
    except SshError as error:
        raise as_user_error(error) from None
    _tunnels[target] = opened
    atexit.register(opened.close)
    return opened


def as_user_error(error: SshError) -> UserError:
    """What could not be done over SSH, as commands tell it."""
    failure = error.failure
    return UserError(failure.what, harm=failure.harm, fix=failure.fix)


def way_to(settings: Settings, bind: str, port: int) -> str | None:
    """What a person types to open, on this machine, a port that only its own host can call; None where none is needed.

    Then it is at the same port of this machine's loopback.
    """
    target = docker_target(settings)
    if target is None or not target.remote or target.host is None or not ip_address(bind).is_loopback:
        return None
    own = urlsplit(target.host)
    more = f" -i {target.key_file}" if target.key_file else ""
    more += f" -J {target.jump.host.removeprefix('ssh://')}" if target.jump else ""
    more += f" -p {own.port}" if own.port not in (None, 22) else ""
    return f"ssh -N -L {port}:{_bracketed(bind)}:{port}{more} {own.username}@{own.hostname}"


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def command(settings: Settings) -> str:
    """What a person types to use `docker` where the stack runs."""
    target = docker_target(settings)
    if target is None or not target.remote or target.host is None:
        return "docker"
    user, _, place = target.host.removeprefix("ssh://").partition("@")
    name, _, port = place.partition(":")
    return f"ssh {f'-p {port} ' if port not in ('', '22') else ''}{user}@{name} docker"
