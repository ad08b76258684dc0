"""`make down`: remove a stack; the weights stay unless they are purged."""

from __future__ import annotations

import os
import shutil

from rich.console import Console

from components.settings import Settings, SettingsError, load, load_overlay
from components.settings.stack_file import DESCRIPTION, host_of
from ops import cluster, docker_client, recovery
from ops.deployment import apply
from ops.errors import UserError
from ops.fleet import kept, serving
from ops.forget import forget
from ops.guard import teardown
from ops.guard.confirm import require_name
from ops.guard.kinds import KEPT
from ops.machine import Machine
from ops.pulumi_cli import Pulumi
from ops.state import backup as state_backup


def run(stack: str, purge: bool, console: Console, *, force: bool = False) -> None:
    """Destroy the stack; with `purge` its volumes, keys and state too.

    With `force`, a host that cannot be reached does not keep its stack's state: it is cleaned, and what is left behind
    there is listed. Raises UserError.
    """
    machine = Machine(stack)
    settings = _described(machine)
    if not machine.config_path.exists():
        console.print(f"stack '{stack}' was never deployed from here: there is nothing to remove")
        return
    if cluster.runs(settings):
        cluster.down(machine, settings, console)
        return
    try:
        client = docker_client.of(settings)
    except UserError as error:
        if not force:
            if host_of(stack):
                error.fix += f"\nwhen the host is gone for ever: make down STACK={stack} FORCE=1"
            raise
        console.print(f"  {error.what}: its state is cleaned without it", markup=False, highlight=False)
        require_name(stack, settings, "this forgets a host of production", console)
        with machine.lock(f"make down STACK={stack} FORCE=1"):
            pulumi = Pulumi(machine)
            pulumi.ensure_stack()
            state_backup.save_before_a_change(pulumi, console)
            recovery.release_lock(pulumi, console)
            forget(pulumi, console)
            if purge:
                _purge(pulumi, console)
        return
    doing = teardown.allow(machine, settings, console)
    with machine.lock(doing), recovery.swept(client, stack):
        pulumi = Pulumi(machine)
        pulumi.ensure_stack()
        state_backup.save_before_a_change(pulumi, console)
        recovery.recover(pulumi, client, console)
        serving.remove(client, stack)
        # Refreshing first: a container that was removed by hand would otherwise fail to be removed again.
        apply(pulumi, console, "destroy", "--refresh")
        volumes = client.volumes.list(filters={"label": f"slm.stack={stack}"})
        if not purge:
            for volume in volumes:
                what = next((text for end, text in KEPT.items() if str(volume.name).endswith(f"-{end}")), "weights")
                console.print(f"  kept: {what} in volume {volume.name} (make down STACK={stack} PURGE=1 removes them)")
            return
        for volume in volumes:
            volume.remove(force=True)
            console.print(f"  removed volume {volume.name}")
        _purge(pulumi, console)


def _described(machine: Machine) -> Settings:
    """The stack's settings; of a host that its fleet's file does not list any more, those it was deployed with."""
    overlay = load_overlay(machine.config_path)
    try:
        return load(machine.stack, machine.project, overlay)
    except SettingsError:
        known = kept.folder(machine) / "description.yaml"
        if not host_of(machine.stack) or not known.exists():
            raise
        os.environ[DESCRIPTION] = str(known)
        return load(machine.stack, machine.project, overlay)


def _purge(pulumi: Pulumi, console: Console) -> None:
    machine, stack = pulumi.machine, pulumi.machine.stack
    pulumi.check("stack", "rm", stack, "--yes", "--preserve-config")
    # Pulumi keeps copies of a removed stack's state, and so do we; without its passphrase nobody could read one.
    state_backup.remove_copies(machine)
    for part in ("backups/slm", "history/slm", "locks/organization/slm"):
        shutil.rmtree(machine.backend / ".pulumi" / part / stack, ignore_errors=True)
    for copy in (machine.backend / ".pulumi/stacks/slm").glob(f"{stack}.json*"):
        copy.unlink()
    shutil.rmtree(machine.directory)
    console.print(f"  removed keys and state of stack '{stack}'")
