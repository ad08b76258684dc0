"""`python -m rehearsal`: play a production stack's life on this machine, and write down what came of it."""

from __future__ import annotations

import os
import signal
import sys
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from components.settings import SettingsError
from rehearsal.control_plane import ControlPlaneError
from tools.errors import ToolError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)
INTERRUPTED = 130
REPORTS = Path(".slm") / "rehearsal"


@app.command()
def play(
    stack: Annotated[str, typer.Option(help="stack name: Pulumi.<stack>.yaml describes it")] = "prod",
    short: Annotated[bool, typer.Option(help="the cut that tests play: a life without its rarer turns")] = False,
    report: Annotated[Path | None, typer.Option(help="the report, Markdown; its data as .json beside it")] = None,
    only: Annotated[str, typer.Option(help="this step, and what it needs before")] = "",
    keep: Annotated[bool, typer.Option(help="leave the folder with states, logs and the simulated Azure")] = False,
) -> None:
    """Play the life of a stack on AKS: nothing leaves this machine, and no real subscription is reached."""
    from rehearsal.life import story
    from rehearsal.life.acts import ACTS
    from rehearsal.life.pulumi import forget_the_real_world
    from rehearsal.life.world import World
    from rehearsal.report.circumstances import machine, parts
    from rehearsal.report.pages import Report
    from rehearsal.report.screen import Screen, timeline_table

    console = Console(soft_wrap=True)
    forget_the_real_world(os.environ)
    acts = story.chosen(ACTS, short=short, only=only)
    screen = Screen(console, len(acts))
    where = machine()
    world = World(stack, screen.line, keep=keep)
    if keep:
        console.print(f"everything is kept in {world.folder}", highlight=False)
    try:
        with world:
            invented = world.overlay.invented
            timeline = story.play(world, acts, screen.begun, screen.ended)
        left = world.processes()
    finally:
        screen.stop()
    console.print(timeline_table(stack, timeline))
    page = report or REPORTS / f"{stack}.md"
    written = Report(stack, str(date.today()), short, where, parts(invented), timeline)
    beside = written.write(page)
    console.print(f"report: {page}, data: {beside}", highlight=False)
    if left:
        console.print(f"still running: {', '.join(str(process.pid) for process in left)}", style="red")
    raise typer.Exit(0 if timeline.succeeded and not left else 1)


def main() -> int:
    """Run it; a person's mistake becomes a message and exit code 1, an interrupt 130 after everything was ended."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        code: int = app(standalone_mode=False) or 0
    except (ToolError, SettingsError, ControlPlaneError) as error:
        Console(stderr=True, highlight=False, markup=False, soft_wrap=True).print(f"error: {error}")
        return 1
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except Exception as error:
        # Mistyped options: the only errors of the command line library that reach here.
        if not hasattr(error, "format_message"):
            raise
        print(f"error: {error.format_message()}; see python -m rehearsal --help", file=sys.stderr)
        return 2
    if code == INTERRUPTED:
        print("\ninterrupted: what ran for the rehearsal was ended", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
