"""What an earlier run or a hand has left behind, found before a deployment, and mended where that is sure to be right.

A killed deployment leaves Pulumi's lock, operations of unknown outcome, and containers Pulumi does not know. A hand
removes or stops containers, which `pulumi up` alone would not notice.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from rich.console import Console

from components.targets.docker.container import TRANSIENT
from ops import health, unfinished_files
from ops.errors import UserError
from ops.pulumi_cli import Pulumi

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from docker.models.volumes import Volume

ENDS = 10.0
"""Seconds a container that was told to end may go on holding its volume."""

STARTS_BY_ITSELF = 5.0
"""Seconds an engine may take after its start until it has started the containers that should run."""

KINDS = {
    "docker:index/container:Container": "containers",
    "docker:index/network:Network": "networks",
    "docker:index/volume:Volume": "volumes",
}


@dataclass(frozen=True)
class Known:
    """A resource of the state, or of an operation whose outcome is not known: kind as in KINDS, Docker's id, name."""

    kind: str
    id: str
    name: str
    runs: bool


@dataclass(frozen=True)
class Lock:
    """Pulumi's lock on a stack: who holds it since when, whether on this machine, and whether that process lives."""

    pid: int
    host: str
    user: str
    since: str
    here: bool
    alive: bool


@dataclass(frozen=True)
class Operation:
    """A step of a killed run whose outcome is not known; `doing` is Pulumi's word, as creating or deleting."""

    doing: str
    type: str
    name: str


def recover(pulumi: Pulumi, client: DockerClient, console: Console) -> list[Known]:
    """Clean up after a run that was killed; gives what the state knows then.

    Called while holding the machine's lock. Raises UserError when a deployment is still at work, or when containers
    of this name belong to somebody else.
    """
    release_lock(pulumi, console)
    stack = pulumi.machine.stack
    sweep(client, stack)
    known, pending, deleted = _state(pulumi)
    _remove_again(client, deleted)
    if pending:
        console.print(f"  an earlier run was killed in the middle of {len(pending)} steps: cleaning up after it")
        settle(pulumi, client, known, pending)
        known, _, _ = _state(pulumi)
    _refuse_foreign(client, stack, known)
    return known


def settle(
    pulumi: Pulumi,
    client: DockerClient | None,
    known: list[Known] | None = None,
    pending: list[Known] | None = None,
) -> None:
    """Find out what became of steps that were cut off, and forget those that would have made something.

    On a Docker engine, what they made without noting it down is removed first; `client` is None for other stacks.
    """
    if client:
        if known is None or pending is None:
            known, pending, _ = _state(pulumi)
        _remove_unknown(client, known, pending)
    pulumi.check("refresh", "-s", pulumi.machine.stack, "--yes", "--skip-preview", "--clear-pending-creates")


def operations(pulumi: Pulumi) -> list[Operation]:
    """Steps of a killed run whose outcome is not known."""
    deployment = json.loads(pulumi.check("stack", "export", "-s", pulumi.machine.stack)).get("deployment") or {}
    found = deployment.get("pending_operations") or []
    return [
        Operation(str(one.get("type", "changing")), one["resource"]["type"], one["resource"]["urn"].split("::", 3)[3])
        for one in found
    ]


def half_done(client: DockerClient, stack: str) -> list[str]:
    """Containers that live only within one command, and are there although none is at work."""
    return [str(c.name) for c in _containers(client, {"label": [f"slm.stack={stack}", TRANSIENT]})]


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


def locks(pulumi: Pulumi) -> list[Lock] | None:
    """Pulumi's locks on the stack; None where its state is not on this machine, so that nobody can look."""
    address = pulumi.environment()["PULUMI_BACKEND_URL"]
    if not address.startswith("file://"):
        return None
    found = []
    place = Path(address.removeprefix("file://")) / ".pulumi/locks"
    for path in sorted(place.glob(f"**/{pulumi.machine.stack}/*.json")):
        try:
            holder = json.loads(path.read_text())
            pid, host = int(holder["pid"]), str(holder.get("hostname"))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # It was released this moment, or is no lock: Pulumi itself has the last word.
        here = host == socket.gethostname()
        since, user = str(holder.get("timestamp", "some time")), str(holder.get("username") or "somebody")
        found.append(Lock(pid, host, user, since, here, here and pulumi_runs(pid)))
    return found


def release_lock(pulumi: Pulumi, console: Console) -> None:
    """Take away Pulumi's lock when the process that held it is gone. Raises UserError when it is still at work."""
    for lock in locks(pulumi) or ():
        if not lock.here:
            continue
        if lock.alive:
            raise UserError(
                f"a deployment of stack '{pulumi.machine.stack}' is still at work: Pulumi, process {lock.pid},"
                f" since {lock.since}",
                harm="two at once would corrupt the state, so this one did nothing",
                fix=f"wait for it to end, or stop it with kill -INT {lock.pid}; then run the command again",
            )
        console.print(f"  an earlier run (process {lock.pid}) was killed: taking its lock away (pulumi cancel)")
        pulumi.check("cancel", pulumi.machine.stack, "--yes")
        return


def pulumi_runs(pid: int) -> bool:
    """Whether this process lives and is Pulumi: a number is given to another process after some time."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and "pulumi" in process.name()
    except psutil.Error:
        return False


def sweep(client: DockerClient, stack: str) -> None:
    """Remove containers that live only within one command, which a killed one left behind."""
    for container in _containers(client, {"label": [f"slm.stack={stack}", TRANSIENT]}):
        _remove(container)
        for volume in client.volumes.list(filters={"name": f"{container.name}-files"}):
            _remove_volume(volume)


def stop_waiting(client: DockerClient, stack: str) -> None:
    """Make an interrupted deployment end now: what it waits for are jobs, and services that have not answered yet."""
    sweep(client, stack)
    for container in _containers(client, {"label": f"slm.stack={stack}", "health": "starting"}):
        _remove(container)


def _remove(container: Container) -> None:
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


@contextmanager
def swept(client: DockerClient, stack: str) -> Iterator[None]:
    """When the block is interrupted, remove the jobs that would otherwise go on by themselves."""
    try:
        yield
    except KeyboardInterrupt:
        sweep(client, stack)
        raise


def _containers(client: DockerClient, filters: dict[str, Any]) -> list[Container]:
    # Without `ignore_removed` a container that ends in this moment is an error.
    found: list[Container] = client.containers.list(all=True, filters=filters, ignore_removed=True)
    return found


def _state(pulumi: Pulumi) -> tuple[list[Known], list[Known], list[Known]]:
    """The resources of the state, those an operation of unknown outcome was about, and those deleted to be replaced."""
    deployment = json.loads(pulumi.check("stack", "export", "-s", pulumi.machine.stack)).get("deployment") or {}
    pending = [operation["resource"] for operation in deployment.get("pending_operations") or []]
    resources = deployment.get("resources") or []
    deleted = [resource for resource in resources if resource.get("pendingReplacement")]
    return _known([one for one in resources if one not in deleted]), _known(pending), _known(deleted)


def _known(resources: list[Mapping[str, Any]]) -> list[Known]:
    found = []
    for resource in resources:
        if kind := KINDS.get(resource["type"]):
            inputs = resource.get("inputs") or {}
            runs = kind == "containers" and inputs.get("mustRun") is not False
            found.append(Known(kind, str(resource.get("id", "")), str(inputs.get("name", "")), runs))
    return found


def _remove_again(client: DockerClient, deleted: list[Known]) -> None:
    """Remove containers that Pulumi has deleted and that are back: a power cut undoes what was not on the disk yet."""
    ids = {item.id for item in deleted if item.kind == "containers"}
    for container in _containers(client, {}) if ids else []:
        if container.id in ids:
            _remove(container)


def _remove_unknown(client: DockerClient, known: list[Known], pending: list[Known]) -> None:
    """Remove what a killed run made under these names without noting it down.

    Volumes stay: making one again gives the same one.
    """
    ids = {item.id for item in known}
    names = {kind: {item.name for item in pending if item.kind == kind} for kind in KINDS.values()}
    for container in _containers(client, {}):
        if container.name in names["containers"] and container.id not in ids:
            _remove(container)
    for network in client.networks.list():
        if network.name in names["networks"] and network.id not in ids:
            network.remove()


def _refuse_foreign(client: DockerClient, stack: str, known: list[Known]) -> None:
    ids = {item.id for item in known}
    foreign = [str(c.name) for c in _containers(client, {"label": f"slm.stack={stack}"}) if c.id not in ids]
    if foreign:
        raise UserError(
            f"containers of a stack '{stack}' are there that this checkout did not make: {', '.join(foreign)}",
            harm="another checkout may serve with them; to replace them would stop it",
            fix=f"make down STACK={stack} in that checkout, or copy Pulumi.{stack}.yaml to a stack of another name;"
            f" if nobody needs them: docker rm -f $(docker ps -aq --filter label=slm.stack={stack});"
            f" docker network rm $(docker network ls -q --filter label=slm.stack={stack})",
        )


def _missing(client: DockerClient, stack: str, known: list[Known]) -> list[str]:
    """Names of what the state has and the engine has not."""
    filters = {"label": f"slm.stack={stack}"}
    present = {
        "containers": {str(c.id) for c in _containers(client, filters)},
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
