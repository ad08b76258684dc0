"""`make state-backup` and `make state-restore`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from components.settings import load, load_overlay
from ops import recovery
from ops.errors import UserError
from ops.guard.confirm import require_name
from ops.machine import Machine
from ops.pulumi_cli import Pulumi
from ops.state import backup as state_backup


def backup(stack: str, file: Path | None, console: Console) -> Path:
    """Save a copy of the stack's state, to a new file below .slm/backups without `file`. Raises UserError."""
    machine = Machine(stack)
    load(stack, machine.project, load_overlay(machine.config_path))
    with machine.lock(f"make state-backup STACK={stack}"):
        pulumi = Pulumi(machine)
        if not pulumi.can_open() or not pulumi.exists() or not (saved := state_backup.save(pulumi, file)):
            raise UserError(
                f"stack '{stack}' has no state with resources in it",
                harm="there is nothing to save",
                fix=f"make up STACK={stack}; make state-restore STACK={stack} if it was lost",
            )
    console.print(f"  state of stack '{stack}' is in {saved}; secrets in it are encrypted, and what opens them is not")
    return saved


def restore(stack: str, file: Path | None, console: Console, typed: Callable[[], str] | None = None) -> None:
    """Put a copy of the state back, the newest without `file`; a production stack's name is asked. Raises UserError."""
    machine = Machine(stack)
    settings = load(stack, machine.project, load_overlay(machine.config_path))
    require_name(stack, settings, "this replaces what Pulumi knows of production", console, typed)
    with machine.lock(f"make state-restore STACK={stack}"):
        pulumi = Pulumi(machine)
        if pulumi.can_open():
            recovery.release_lock(pulumi, console)
        state_backup.put_back(pulumi, file, console)
