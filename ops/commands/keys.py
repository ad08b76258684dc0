"""Keys, passwords and certificates."""

from __future__ import annotations

from typing import Annotated

import typer

from ops.commands.shared import Stack, StackOrFleet, console, fleet_named

app = typer.Typer()


@app.command()
def key(stack: Stack = "dev") -> None:
    """Show the current API key, on a terminal only."""
    from ops.secrets.rotate import show

    show(stack)


@app.command()
def secret(
    name: Annotated[str, typer.Argument(help="as the stack's file names it")], stack: StackOrFleet = "dev"
) -> None:
    """Keep a secret the stack's file names, asked for or read from a pipe, encrypted; for a fleet, on every host."""
    from ops.secrets.given import give

    if fleet := fleet_named(stack):
        fleet.secret(name)
    else:
        give(stack, name, console)


@app.command("rotate-key")
def rotate_key(stack: Stack = "dev") -> None:
    """Add a key, switch to it, retire the old one; no engine restarts."""
    from ops.secrets.rotate import rotate

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


@app.command("fleet-ca")
def fleet_ca(stack: StackOrFleet = "edge") -> None:
    """Print the certificate of the fleet's own authority, which its clients trust."""
    from ops.fleet.command import authority

    authority(stack)
