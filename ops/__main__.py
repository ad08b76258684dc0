"""The commands behind `make`: each one small, each error on one screen."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from tools.errors import ToolError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
Stack = Annotated[str, typer.Option(help="stack name: Pulumi.<stack>.yaml describes it")]
BackupFile = Annotated[Path | None, typer.Option(help="the backup; below .slm/backups without it")]
console = Console(highlight=False, soft_wrap=True)
INTERRUPTED = 130


@app.command()
def up(stack: Stack = "dev", model: Annotated[str, typer.Option(help="serve this model from now on")] = "") -> None:
    """Deploy the stack and ask its model a question."""
    from ops.up import run

    run(stack, model or None, console)


@app.command()
def preview(stack: Stack = "dev") -> None:
    """Show what `up` would change."""
    from ops.preview import run

    raise typer.Exit(run(stack))


@app.command()
def down(
    stack: Stack = "dev",
    purge: Annotated[bool, typer.Option(help="remove the weights, the keys and the state as well")] = False,
) -> None:
    """Remove everything but the weights."""
    from ops.down import run

    run(stack, purge, console)


@app.command()
def smoke(stack: Stack = "dev") -> None:
    """Ask the running stack a question and check what runs against the security controls."""
    from ops.smoke_test import run

    run(stack, console)


@app.command()
def check(stack: Stack = "dev") -> None:
    """Validate a stack's settings and print them; needs neither Docker nor a cloud."""
    from ops.check import run
    from ops.machine import PROJECT

    raise typer.Exit(run(stack, PROJECT))


@app.command()
def key(stack: Stack = "dev") -> None:
    """Show the current API key, on a terminal only."""
    from ops.rotate import show

    show(stack)


@app.command()
def secret(name: Annotated[str, typer.Argument(help="as the stack's file names it")], stack: Stack = "dev") -> None:
    """Keep a secret the stack's file names, asked for or read from a pipe, encrypted."""
    from ops.secret import give

    give(stack, name, console)


@app.command("rotate-key")
def rotate_key(stack: Stack = "dev") -> None:
    """Add a key, switch to it, retire the old one; no engine restarts."""
    from ops.rotate import rotate

    rotate(stack, console)


@app.command("webui-password")
def webui_password(stack: Stack = "dev") -> None:
    """Show the first password of the web page's administrator, on a terminal only."""
    from ops.webui import show_password

    show_password(stack)


@app.command("rotate-webui-key")
def rotate_webui_key(stack: Stack = "dev") -> None:
    """Give the web page another API key."""
    from ops.webui import rotate_key

    rotate_key(stack, console)


@app.command()
def backup(stack: Stack = "dev", file: BackupFile = None) -> None:
    """Save figures, logs, silences and what the web page keeps in one file."""
    from ops.backup.command import backup as run

    run(stack, file, console)


@app.command()
def restore(stack: Stack = "dev", file: BackupFile = None) -> None:
    """Put a backup in place of what the stack keeps; the newest one without a file."""
    from ops.backup.command import restore as run

    run(stack, file, console)


@app.command()
def drill(
    stack: Stack = "dev", only: Annotated[str, typer.Option(help="names of drills with commas; all without it")] = ""
) -> None:
    """Cause faults in the running stack and see which alert each raises; exit code 1 when one did not hold."""
    from ops.drill.command import run

    raise typer.Exit(run(stack, only, console))


@app.command("backup-webui")
def backup_webui(stack: Stack = "dev", file: BackupFile = None) -> None:
    """Save the web page's accounts, chats and files while it runs."""
    from ops.webui_backup import backup

    backup(stack, file, console)


@app.command("restore-webui")
def restore_webui(stack: Stack = "dev", file: BackupFile = None) -> None:
    """Put a backup in place of what the web page keeps; the newest one without a file."""
    from ops.webui_backup import restore

    restore(stack, file, console)


@app.command()
def status(
    stack: Stack = "dev", watch: Annotated[bool, typer.Option(help="look again until interrupted")] = False
) -> None:
    """Show how the running stack is; exit code 1 when something is broken."""
    from ops.status.command import run

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
def env(stack: Stack = "dev") -> None:
    """Print shell exports under which plain `pulumi` works on the stack."""
    from ops.preview import exports

    print(exports(stack))


@app.command()
def pin(stack: Stack = "dev") -> None:
    """Look up the digests and commits the stack's images and models lack, and write them down."""
    from ops.pin import run

    raise typer.Exit(run(stack))


@app.command()
def schema(check: Annotated[bool, typer.Option(help="only say whether the file is fresh")] = False) -> None:
    """Export the JSON Schema of the stack files."""
    from ops.schema import run

    raise typer.Exit(run(check=check))


def main() -> int:
    """Run a command; a person's mistake becomes a message and exit code 1, never a traceback."""
    from components.settings import SettingsError

    # A closed terminal and a polite kill are interrupts too: Pulumi must write its state.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        # Without its own error handling the library gives a command's exit code back instead of raising it.
        code: int = app(standalone_mode=False) or 0
    except (ToolError, SettingsError) as error:
        Console(stderr=True, highlight=False).print("[bold red]error[/bold red]", end=" ")
        Console(stderr=True, highlight=False, markup=False, soft_wrap=True).print(str(error))
        return 1
    except typer.Exit as exit_:
        code = exit_.exit_code
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except Exception as error:
        # Mistyped options: the only errors of the command line library that reach here.
        if not hasattr(error, "format_message"):
            raise
        print(f"error {error.format_message()}; see python -m ops --help", file=sys.stderr)
        return 2
    if code == INTERRUPTED:
        # The library itself makes this code of an interrupt, without a word.
        print("\ninterrupted: what was done is kept; run the same command again to go on", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
