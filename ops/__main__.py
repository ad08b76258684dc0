"""The commands behind `make`: each one small, each error on one screen."""

from __future__ import annotations

import signal
import sys

import typer
from rich.console import Console

from ops.commands import data, keys, production, pull_requests, releases, stack, watching
from tools.errors import ToolError

INTERRUPTED = 130

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
for commands in (stack, watching, keys, data, production, pull_requests, releases):
    app.add_typer(commands.app)


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
