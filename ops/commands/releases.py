"""This project itself: its releases, its pins, its schema, its bundles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ops.commands.shared import Stack, StackOrFleet, console, wide

app = typer.Typer()


@app.command()
def outdated(
    everything: Annotated[bool, typer.Option("--all", help="show what is current as well")] = False,
) -> None:
    """Show newer versions of engines, tools, images and packages, as far as their places answer."""
    from ops.release.outdated import run

    raise typer.Exit(run(wide(), everything=everything))


@app.command("release-check")
def release_check() -> None:
    """Check whether this checkout can be released, and write its bill of materials; exit code 1 when it cannot."""
    from ops.release.check import run

    raise typer.Exit(run(wide()))


@app.command()
def pin(stack: Stack = "dev") -> None:
    """Look up the digests and commits the stack's images and models lack, and write them down."""
    from ops.pin.command import run

    raise typer.Exit(run(stack))


@app.command()
def schema(check: Annotated[bool, typer.Option(help="only say whether the file is fresh")] = False) -> None:
    """Export the JSON Schema of the stack files."""
    from ops.schema import run

    raise typer.Exit(run(check=check))


@app.command()
def bundle(
    stack: StackOrFleet = "edge",
    file: Annotated[Path | None, typer.Option(help="where to; below .slm/bundles without it")] = None,
    key: Annotated[Path | None, typer.Option(help="sign with this key; the one of bundle-key without it")] = None,
    pythons: Annotated[str, typer.Option(help="the Pythons its packages are for, with commas")] = "",
) -> None:
    """Write all that the stack takes into one signed archive, for machines without a network."""
    from ops.bundle.command import run

    run(stack, file, key, pythons, console)


@app.command("bundle-key")
def bundle_key() -> None:
    """Make the key that bundles are signed with, where there is none, and show its public half."""
    from ops.bundle.signing import make_key

    make_key(console)


@app.command()
def env(stack: Stack = "dev") -> None:
    """Print shell exports under which plain `pulumi` works on the stack."""
    from ops.preview import exports

    print(exports(stack))
