"""Bringing a stack up, looking at it, and taking it down."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ops.commands.shared import Stack, StackOrFleet, console, fleet_named, one

app = typer.Typer()


@app.command()
def up(
    stack: StackOrFleet = "dev",
    model: Annotated[str, typer.Option(help="serve this model from now on")] = "",
    plan: Annotated[
        Path | None,
        typer.Option(help="do what this saved preview showed, and no more", exists=True, dir_okay=False),
    ] = None,
) -> None:
    """Deploy the stack and ask its model a question; a fleet in waves."""
    from ops.up import run

    if (fleet := fleet_named(stack)) and not model and not plan:
        fleet.up()
    else:
        run(one(stack), model or None, console, plan)


@app.command()
def preview(
    stack: StackOrFleet = "dev",
    plan: Annotated[Path | None, typer.Option(help="save it here, for up --plan")] = None,
) -> None:
    """Show what `up` would change."""
    from ops.preview import run

    fleet = None if plan else fleet_named(stack)
    raise typer.Exit(fleet.preview() if fleet else run(one(stack), plan=plan))


@app.command()
def drift(
    stack: StackOrFleet = "dev",
    file: Annotated[Path | None, typer.Option(help="write it here; exit code 1 when anything differs")] = None,
) -> None:
    """Show what differs from the description where the stack runs, changes by hand included."""
    from ops.preview import run

    if file:
        from ops.drift import run as compare

        raise typer.Exit(compare(one(stack), file, console))
    fleet = fleet_named(stack)
    raise typer.Exit(fleet.preview(refresh=True) if fleet else run(stack, "--refresh"))


@app.command()
def down(
    stack: StackOrFleet = "dev",
    purge: Annotated[bool, typer.Option(help="remove the weights, the keys and the state as well")] = False,
    force: Annotated[bool, typer.Option(help="when the host is gone: clean its state, list what stays there")] = False,
) -> None:
    """Remove everything but the weights."""
    from ops.down import run

    if fleet := fleet_named(stack):
        fleet.down(purge=purge, force=force)
    else:
        run(stack, purge, console, force=force)


@app.command()
def smoke(stack: StackOrFleet = "dev") -> None:
    """Ask the running stack a question and check what runs against the security controls."""
    from ops.smoke_test import run

    if fleet := fleet_named(stack):
        fleet.smoke()
    else:
        run(stack, console)


@app.command(hidden=True)
def gate(
    stack: Stack,
    questions: Annotated[int, typer.Option(min=1)] = 3,
    error_percent: Annotated[float, typer.Option(min=0, max=100)] = 0,
) -> None:
    """Ask one host as the gate between two waves of a rollout does."""
    from ops.fleet.gate import run

    run(stack, questions, error_percent, console)


@app.command()
def check(stack: StackOrFleet = "dev") -> None:
    """Validate a stack's settings and print them; needs neither Docker nor a cloud."""
    from ops.check import run
    from ops.machine import PROJECT

    if fleet := fleet_named(stack):
        raise typer.Exit(fleet.check())
    raise typer.Exit(run(stack, PROJECT))
