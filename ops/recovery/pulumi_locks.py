"""Pulumi's locks on a stack whose state is on this machine: who holds them, and whether that process lives."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console

from ops.errors import UserError
from ops.pulumi_cli import Pulumi


@dataclass(frozen=True)
class Lock:
    """Pulumi's lock on a stack: who holds it since when, whether on this machine, and whether that process lives."""

    pid: int
    host: str
    user: str
    since: str
    here: bool
    alive: bool


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
