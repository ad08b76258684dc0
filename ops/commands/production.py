"""What stands between a change and production, and what helps after an accident."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ops.commands.shared import BackupFile, Stack, StackOrFleet, console, wide

app = typer.Typer()


@app.command()
def policies(stack: Stack = "dev", as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False) -> None:
    """Judge by the policies what `up` would make; exit code 1 where production refuses it."""
    from ops.policies import run

    raise typer.Exit(run(stack, wide(), as_json=as_json))


@app.command()
def readiness(
    stack: StackOrFleet = "prod",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    static: Annotated[bool, typer.Option(help="ask nothing that runs")] = False,
) -> None:
    """Run the checklist of production; exit code 1 when a check failed or is unknown (ALLOW_UNKNOWN=1 allows that)."""
    from ops.readiness.command import run

    raise typer.Exit(run(stack, wide(), as_json=as_json, static=static))


@app.command()
def recover(
    stack: Stack = "dev", apply: Annotated[bool, typer.Option(help="also do what may lose something")] = False
) -> None:
    """Explain what an earlier run or a hand left behind, and mend it; exit code 1 while something is left to do."""
    from ops.recovery.command import run

    raise typer.Exit(run(stack, console, apply=apply))


@app.command("import")
def import_(
    stack: Stack = "dev",
    id: Annotated[str, typer.Option(help="ids, or NAME=id, with commas")] = "",
    file: Annotated[Path | None, typer.Option(help="a file with one a line")] = None,
) -> None:
    """Propose which resources of the stack take over what exists already; nothing is changed."""
    from ops.adopt.command import run

    raise typer.Exit(run(stack, id, file, console))


@app.command("state-backup")
def state_backup(stack: Stack = "dev", file: BackupFile = None) -> None:
    """Save a copy of what Pulumi knows of the stack; secrets in it stay encrypted."""
    from ops.state.command import backup

    backup(stack, file, console)


@app.command("state-restore")
def state_restore(stack: Stack = "dev", file: BackupFile = None) -> None:
    """Put a copy of the state back; the newest one without a file."""
    from ops.state.command import restore

    restore(stack, file, console)
