"""`make down`: remove a stack; the weights stay unless they are purged."""

from __future__ import annotations

import shutil

from rich.console import Console

from components.settings import load, load_overlay
from ops import docker_client
from ops.deployment import apply
from ops.errors import UserError
from ops.machine import Machine
from ops.pulumi_cli import Pulumi


def run(stack: str, purge: bool, console: Console) -> None:
    """Destroy the stack; with `purge` its volumes, keys and state too. Raises UserError."""
    machine = Machine(stack)
    with machine.lock(f"make down STACK={stack}"):
        settings = load(stack, machine.project, load_overlay(machine.config_file))
        client = docker_client.of(settings)
        pulumi = Pulumi(machine)
        pulumi.ensure_stack()
        # Refreshing first: a container that was removed by hand would otherwise fail to be removed again.
        apply(pulumi, console, "destroy", "--refresh")
        left = client.containers.list(all=True, filters={"label": f"slm.stack={stack}"})
        if left:
            raise UserError(
                f"containers of stack '{stack}' are left: {', '.join(str(c.name) for c in left)}",
                harm="they still run or hold names that the next `up` needs",
                fix="docker rm -f NAME for each of them",
            )
        volumes = client.volumes.list(filters={"label": f"slm.stack={stack}"})
        if not purge:
            for volume in volumes:
                console.print(f"  kept: weights in volume {volume.name} (make down STACK={stack} PURGE=1 removes them)")
            return
        for volume in volumes:
            volume.remove(force=True)
            console.print(f"  removed volume {volume.name}")
        pulumi.check("stack", "rm", stack, "--yes", "--preserve-config")
    shutil.rmtree(machine.directory)
    console.print(f"  removed keys and state of stack '{stack}'")
