"""`make readiness`: the checklist of production, executed; a table or JSON, and an exit code for CI."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from components.settings import load, load_overlay
from ops.errors import UserError
from ops.machine import STATE_DIRECTORY, Machine
from ops.readiness import described, running
from ops.readiness.result import GROUPS, STATES, Result, code
from ops.readiness.subject import Described
from ops.secrets import keys

COLOURS = {"pass": "green", "fail": "red", "not applicable": "dim", "unknown": "yellow"}
ALLOW = "ALLOW_UNKNOWN"
NOT_ASKED = "the running stack was not asked (STATIC=1)"


def run(stack: str, console: Console, *, as_json: bool = False, static: bool = False) -> int:
    """Print every check's result; the exit code is 1 when one failed, or is unknown and ALLOW_UNKNOWN is not 1.

    `static` asks nothing that runs: those checks are unknown. Raises SettingsError, and UserError for a fleet.
    """
    machine = Machine(stack)
    results = list(check(machine, static=static))
    if as_json:
        print(json.dumps({"stack": stack, "checks": [one.model_dump() for one in results]}, indent=2))
    else:
        console.print(table(results))
        counted = Counter(one.state for one in results)
        console.print(", ".join(f"{counted[state]} {state}" for state in STATES), highlight=False)
    return code(results, allow_unknown=os.environ.get(ALLOW) == "1")


def check(machine: Machine, *, static: bool) -> Iterator[Result]:
    """Every check of one stack, group by group. Raises SettingsError and UserError."""
    settings = load(machine.stack, machine.project, load_overlay(machine.config_path))
    if settings.fleet:
        first = next(iter(settings.fleet.hosts))
        raise UserError(
            f"'{machine.stack}' is a fleet of {len(settings.fleet.hosts)} hosts, each of which is a stack of its own",
            harm="nothing was checked",
            fix=f"make readiness STACK={machine.stack}.{first}, and so on",
        )
    given = Described(
        machine.stack,
        settings,
        machine.project,
        os.environ,
        datetime.now(UTC),
        keys.made(machine),
        machine.project / STATE_DIRECTORY / "backups" / machine.stack,
    )
    found = [one.result(given, machine.stack) for one in described.CHECKS]
    live = running.Running(machine, settings)
    for one in running.CHECKS:
        if static or not machine.config_path.exists():
            reason = NOT_ASKED if static else "nothing was deployed from this machine"
            command = one.command.format(stack=machine.stack)
            found.append(Result(group=one.group, name=one.name, state="unknown", reason=reason, command=command))
        else:
            found.append(one.result(live, machine.stack))
    yield from sorted(found, key=lambda one: GROUPS.index(one.group))


def table(results: Sequence[Result]) -> Table:
    """A line for each check."""
    shown = Table("group", "check", "state", "reason", "shown by")
    last = ""
    for one in results:
        colour = COLOURS[one.state]
        group = one.group if one.group != last else ""
        shown.add_row(group, one.name, f"[{colour}]{one.state}[/{colour}]", _plain(one.reason), _plain(one.command))
        last = one.group
    return shown


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
