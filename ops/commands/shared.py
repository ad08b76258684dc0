"""What the commands share: how a stack is named, and where they print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from ops.fleet.command import FleetCommand

_STACK_HELP = "stack name: Pulumi.<stack>.yaml describes it; edge.berlin-1 is one host of the fleet 'edge'"


def one(stack: str) -> str:
    """The stack's name. Raises UserError for a fleet, whose hosts each have a stack."""
    from ops.fleet.command import one_host

    return one_host(stack)


Stack = Annotated[str, typer.Option(help=_STACK_HELP, callback=one)]
StackOrFleet = Annotated[str, typer.Option(help=_STACK_HELP)]
BackupFile = Annotated[Path | None, typer.Option(help="the backup; below .slm/backups without it")]
console = Console(highlight=False, soft_wrap=True)


def fleet_named(stack: str) -> FleetCommand | None:
    """The commands of a fleet, None for a stack that is none."""
    from ops.fleet.command import FleetCommand, fleet_of

    fleet = fleet_of(stack)
    return FleetCommand(stack, fleet, wide()) if fleet else None


def wide() -> Console:
    """Where tables are printed: on one screen, or in a log."""
    return console if console.is_terminal else Console(highlight=False, soft_wrap=True, width=160)
