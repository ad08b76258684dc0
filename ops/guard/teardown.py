"""What is asked before a production stack is taken down: its name, and a fresh backup of what it keeps (control 68)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from components.settings import Settings
from components.targets.spec import Docker
from ops.backup import file as backup_file
from ops.backup.command import folder_of, newest
from ops.backup.parts import NAMES, parts
from ops.errors import UserError
from ops.guard.confirm import require_name
from ops.machine import Machine

VARIABLE = "NO_BACKUP"
SHORTEST, LONGEST = 10, 300
"""Characters of a reason: long enough to say something, short enough for one line of the audit log."""


def allow(
    machine: Machine,
    settings: Settings,
    console: Console,
    typed: Callable[[], str] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> str:
    """Raise UserError unless the stack may be taken down; gives what the audit log is told of the command."""
    doing = f"make down STACK={machine.stack}"
    if settings.environment != "prod":
        return doing
    reason = _reason(environment.get(VARIABLE), machine.stack)
    if reason:
        doing += f' {VARIABLE}="{reason}"'
        console.print(f"  no backup is asked for, because: {reason}", markup=False, highlight=False)
    elif told := require_backup(machine, settings, datetime.now(UTC)):
        console.print(f"  {told}", markup=False, highlight=False, soft_wrap=True)
    require_name(machine.stack, settings, "this takes down production", console, typed, environment)
    return doing


def require_backup(machine: Machine, settings: Settings, now: datetime) -> str:
    """Raise UserError where the stack keeps data and has no whole and fresh backup of it; gives a sentence about it.

    A backup is read to its last byte: one that cannot be put back is none.
    """
    stack, kept = machine.stack, parts(settings)
    if not kept:
        return ""
    what = ", ".join(part.what for part in kept)
    if not isinstance(settings.targets[settings.gateway.target], Docker):
        raise UserError(
            f"stack '{stack}' keeps {what} on a cluster, which make backup cannot save",
            harm="nobody can tell from here that they could be put back; nothing was taken down",
            fix="take snapshots of its disks (docs/aks.md, step 10), then name them:"
            f' make down STACK={stack} {VARIABLE}="snapshots … of today"',
        )
    fix = f'make backup STACK={stack}, or make down STACK={stack} {VARIABLE}="why it is not needed"'
    longest = timedelta(hours=settings.backup_max_age_hours)
    file = newest(folder_of(machine))
    if file is None:
        raise UserError(
            f"stack '{stack}' keeps {what}, and no backup of it is in {folder_of(machine)}",
            harm="what is lost with it could not be put back; nothing was taken down",
            fix=fix,
        )
    manifest = backup_file.read(file, NAMES)
    age = now - datetime.fromisoformat(manifest.made)
    if problem := _problem(stack, manifest, age, longest, [part.name for part in kept]):
        raise UserError(
            f"the newest backup of stack '{stack}', {file.name}, {problem}",
            harm="what was written since is in no backup; nothing was taken down",
            fix=fix,
        )
    return f"backup {_shown(file, machine)} is whole and {_hours(age)} old"


def _problem(stack: str, manifest: backup_file.Manifest, age: timedelta, longest: timedelta, kept: list[str]) -> str:
    """What is wrong with a backup that is whole, after its name; empty where nothing is."""
    if manifest.stack != stack:
        return f"is of stack '{manifest.stack}'"
    if missing := sorted(set(kept) - {entry.name for entry in manifest.parts}):
        return f"does not hold {', '.join(missing)}"
    if age > longest:
        return f"is {_hours(age)} old, and {_hours(longest)} are allowed (slm:backup_max_age_hours)"
    # A minute: clocks of two machines differ by so much.
    return "is of the future: a clock is wrong" if age < timedelta(minutes=-1) else ""


def _reason(given: str | None, stack: str) -> str:
    """Why there need not be a backup, in one line; empty where nobody said so. Raises UserError for no reason."""
    if not given:
        return ""
    reason = " ".join(given.split())
    if not SHORTEST <= len(reason) <= LONGEST or not reason.isprintable():
        raise UserError(
            f"{VARIABLE} has {len(reason)} characters and is to say why no backup is needed",
            harm="it is written to the audit log, where somebody must understand it; nothing was taken down",
            fix=f'make down STACK={stack} {VARIABLE}="…", {SHORTEST} to {LONGEST} printable characters',
        )
    return reason


def _hours(span: timedelta) -> str:
    return f"{max(span.total_seconds(), 0) / 3600:.1f} h".replace(".0 h", " h")


def _shown(file: Path, machine: Machine) -> Path:
    return file.relative_to(machine.project) if file.is_relative_to(machine.project) else file
