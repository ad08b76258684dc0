"""What is found and cleaned up before a deployment: locks, steps and containers of a run that was killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from ops.errors import UserError
from ops.pulumi_cli import Pulumi
from ops.recovery.containers import listed, remove, sweep
from ops.recovery.pulumi_locks import release_lock
from ops.recovery.state import KINDS, Known, read

if TYPE_CHECKING:
    from docker import DockerClient


def recover(pulumi: Pulumi, client: DockerClient, console: Console) -> list[Known]:
    """Clean up after a run that was killed; gives what the state knows then.

    Called while holding the machine's lock. Raises UserError when a deployment is still at work, or when containers
    of this name belong to somebody else.
    """
    release_lock(pulumi, console)
    stack = pulumi.machine.stack
    sweep(client, stack)
    known, pending, deleted = read(pulumi)
    _remove_again(client, deleted)
    if pending:
        console.print(f"  an earlier run was killed in the middle of {len(pending)} steps: cleaning up after it")
        settle(pulumi, client, known, pending)
        known, _, _ = read(pulumi)
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
            known, pending, _ = read(pulumi)
        _remove_unknown(client, known, pending)
    pulumi.check("refresh", "-s", pulumi.machine.stack, "--yes", "--skip-preview", "--clear-pending-creates")


def _remove_again(client: DockerClient, deleted: list[Known]) -> None:
    """Remove containers that Pulumi has deleted and that are back: a power cut undoes what was not on the disk yet."""
    ids = {item.id for item in deleted if item.kind == "containers"}
    for container in listed(client, {}) if ids else []:
        if container.id in ids:
            remove(container)


def _remove_unknown(client: DockerClient, known: list[Known], pending: list[Known]) -> None:
    """Remove what a killed run made under these names without noting it down.

    Volumes stay: making one again gives the same one.
    """
    ids = {item.id for item in known}
    names = {kind: {item.name for item in pending if item.kind == kind} for kind in KINDS.values()}
    for container in listed(client, {}):
        if container.name in names["containers"] and container.id not in ids:
            remove(container)
    for network in client.networks.list():
        if network.name in names["networks"] and network.id not in ids:
            network.remove()


def _refuse_foreign(client: DockerClient, stack: str, known: list[Known]) -> None:
    ids = {item.id for item in known}
    foreign = [str(c.name) for c in listed(client, {"label": f"slm.stack={stack}"}) if c.id not in ids]
    if foreign:
        raise UserError(
            f"containers of a stack '{stack}' are there that this checkout did not make: {', '.join(foreign)}",
            harm="another checkout may serve with them; to replace them would stop it",
            fix=f"make down STACK={stack} in that checkout, or copy Pulumi.{stack}.yaml to a stack of another name;"
            f" if nobody needs them: docker rm -f $(docker ps -aq --filter label=slm.stack={stack});"
            f" docker network rm $(docker network ls -q --filter label=slm.stack={stack})",
        )
