"""How a running stack is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ops.commands.shared import Stack, StackOrFleet, console, fleet_named

app = typer.Typer()


@app.command()
def status(
    stack: StackOrFleet = "dev", watch: Annotated[bool, typer.Option(help="look again until interrupted")] = False
) -> None:
    """Show how the running stack, or each host of a fleet, is; exit code 1 when something is broken."""
    from ops.status.command import run

    if fleet := fleet_named(stack):
        raise typer.Exit(fleet.status())
    raise typer.Exit(run(stack, watch, console))


@app.command()
def report(
    stack: Stack = "dev",
    hours: Annotated[int, typer.Option(min=1, max=24 * 31, help="how far back")] = 24,
    file: Annotated[Path | None, typer.Option(help="where to; below .slm/reports without it")] = None,
) -> None:
    """Write one HTML page about the last hours of the stack."""
    from ops.report.command import run

    run(stack, hours, file, console)


@app.command("alert-test")
def alert_test(
    stack: Stack = "dev",
    severity: Annotated[
        Literal["critical", "warning", "info"], typer.Option(help="how bad it claims to be")
    ] = "critical",
) -> None:
    """Send one alert to the receivers of its severity, and wait until they have taken it."""
    from ops.alert_test import run

    run(stack, severity, console)


@app.command()
def drill(
    stack: Stack = "dev", only: Annotated[str, typer.Option(help="names of drills with commas; all without it")] = ""
) -> None:
    """Cause faults in the running stack and see which alert each raises; exit code 1 when one did not hold."""
    from ops.drill.command import run

    raise typer.Exit(run(stack, only, console))
