"""Start and end the container in which a host serves its weights to its neighbours."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any

from components.neighbours import Neighbour, given
from components.serving import KEY, LABEL, TOKEN, Offered, serve_job
from components.settings import Settings, SettingsError, load, load_overlay
from components.targets.docker.container import Mount, Names, job_arguments
from components.targets.docker.daemon import files_of, put_files
from components.targets.docker.ssh_errors import SshError
from components.targets.docker.tunnel import Tunnel
from components.workload import FILES_DIRECTORY, Workload
from ops import docker_client
from ops.errors import UserError
from ops.fleet import weights
from ops.fleet.authority import Authority
from ops.machine import Machine

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

STARTS = 30.0
"""Seconds a server gets to say what it serves."""

LASTS = timedelta(days=2)
"""Of its certificate: longer than any rollout takes, and no longer than that is of use."""

NETWORK = {
    # It can be published, yet has no way out, and containers on it do not reach each other.
    "com.docker.network.bridge.enable_ip_masquerade": "false",
    "com.docker.network.bridge.enable_icc": "false",
}


@dataclass(frozen=True)
class Serving:
    """A server that runs: how neighbours ask it, and the sha256 of what it has."""

    neighbour: Neighbour
    has: frozenset[str]


def start(machine: Machine, address: str, port: int) -> Serving:
    """Serve all fetched weights of a host that others may have, at this address of it. Raises UserError."""
    authority = Authority.of(machine.fleet, machine.project)
    issued, token = authority.issue([address], lasts=LASTS), token_urlsafe(32)
    with _engine(machine) as (client, settings):
        names = Names(machine.stack)
        offered, job = _offered(client, names, settings), settings.images.get("fetch")
        if not offered or job is None:
            raise UserError("it has no weights that others may have")
        user, group = offered[0][1].user, offered[0][1].group
        described = serve_job([one for one, _ in offered], job, user, group, issued.certificate, port)
        remove(client, machine.stack)
        has = _run(client, names, described, address, {TOKEN: token, KEY: issued.key})
    url = f"https://{f'[{address}]' if ':' in address else address}:{port}"
    pem = authority.certificate_file.read_text()
    return Serving(Neighbour(endpoint=url, token=token, authority=pem), has)


def stop(machine: Machine) -> int | None:
    """End the server of a host; gives the bytes it has served, None when it had ended before. Raises UserError."""
    with _engine(machine) as (client, _):
        there = _containers(client, machine.stack)
        events = [event for container in there for event in _events(container)]
        remove(client, machine.stack)
    return sum(int(event["bytes"]) for event in events if event.get("event") == "served") if there else None


def remove(client: DockerClient, stack: str) -> None:
    """Remove a server that is there, with its secrets, and its network."""
    import docker.errors

    for container in _containers(client, stack):
        # It may end by itself at this moment, and then removes itself.
        with suppress(docker.errors.APIError):
            container.remove(force=True, v=True)
    for network in client.networks.list(filters={"label": f"{LABEL}={stack}"}):
        with suppress(docker.errors.APIError):
            network.remove()


@contextmanager
def _engine(machine: Machine) -> Iterator[tuple[DockerClient, Settings]]:
    """A host's Docker engine and its settings. Raises UserError for all that goes wrong with them."""
    import docker
    from docker.errors import DockerException

    try:
        settings = load(machine.stack, machine.project, load_overlay(machine.config_path))
        spec = docker_client.docker_target(settings)
        if spec is None:
            raise UserError("its target is no Docker engine")
        with Tunnel(spec) as tunnel:
            client = docker.DockerClient(base_url=tunnel.url, timeout=120)
            try:
                yield client, settings
            finally:
                client.close()
    except SshError as error:
        raise docker_client.as_user_error(error) from None
    except SettingsError as error:
        raise UserError(str(error.problems[0])) from None
    except (DockerException, OSError) as error:
        raise UserError(f"its Docker engine says: {error}") from None


def _offered(client: DockerClient, names: Names, settings: Settings) -> list[tuple[Offered, Workload]]:
    """What there is to serve. A volume that does not exist would be made by mounting it."""
    present = {str(volume.name) for volume in client.volumes.list()}
    found = weights.fetched(settings).values()
    return [
        (Offered(volume, files), job)
        for volume, job, _ in found
        if names.volume(volume.name) in present and (files := given(job))
    ]


def _run(client: DockerClient, names: Names, job: Workload, address: str, secrets: dict[str, str]) -> frozenset[str]:
    """Start the job, and give what it says to serve. Raises UserError when it says nothing."""
    import docker.types

    label = {LABEL: names.stack}
    # No name of a workload has a dot, so that none is called the same.
    name = f"{names.prefix}.{job.name}"
    mounts = [Mount(names.volume(volume.name), volume.path, read_only=True) for volume in job.volumes]
    arguments = job_arguments(job, names, mounts, name) | {
        "name": name,
        "labels": label,
        "ports": {f"{_port(job)}/tcp": (address, _port(job))},
        # With all that is in it, whatever ends it, and also when nobody is there to do it.
        "auto_remove": True,
        "mounts": [docker.types.Mount(FILES_DIRECTORY, None, type="volume")],
    }
    try:
        client.networks.create(name, driver="bridge", options=NETWORK, labels=label)
        container = client.containers.create(**arguments)
        put_files(container, job, files_of(job, secrets))
        container.start()
        return _said(container)
    except BaseException:
        remove(client, names.stack)
        raise


def _port(job: Workload) -> int:
    return int(json.loads(next(file.content for file in job.files if file.name == "offer.json"))["port"])


def _said(container: Container) -> frozenset[str]:
    import docker.errors

    end = time.monotonic() + STARTS
    while time.monotonic() < end:
        try:
            if found := next((one for one in _events(container) if one.get("event") == "serving"), None):
                return frozenset(found["sha256"])
        except docker.errors.NotFound:
            raise UserError("the container that would serve its weights ended at once") from None
        time.sleep(0.2)
    raise UserError(f"the container that would serve its weights said nothing for {STARTS:.0f} s")


def _events(container: Container) -> Iterator[dict[str, Any]]:
    for line in container.logs(stdout=True, stderr=False).decode(errors="replace").splitlines():
        with suppress(ValueError):
            yield json.loads(line)


def _containers(client: DockerClient, stack: str) -> list[Container]:
    found: list[Container] = client.containers.list(
        all=True, filters={"label": f"{LABEL}={stack}"}, ignore_removed=True
    )
    return found
