"""`python -m tools`: set-up, and what it found. tools/bootstrap.py makes the environment this runs in."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from tools.errors import ToolError
from tools.installer import Installer
from tools.progress import Display

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)

INTERRUPTED = 130
Names = Annotated[list[str] | None, typer.Argument(help="as in tools.toml; none: all that a deployment needs")]
Engine = Annotated[bool, typer.Option(help="make sure of a Docker engine as well")]


@app.command()
def setup(names: Names = None, engine: Engine = True) -> None:
    """Install the tools: those named, or the default ones."""
    from tools import docker_engine

    installer = Installer()
    if unknown := [n for n in names or [] if n not in installer.table]:
        raise ToolError(f"tools.toml has no {', '.join(unknown)}", fix=f"its names are {', '.join(installer.table)}")
    installer.ensure(names)
    if engine and not names:
        docker_engine.ensure(Display().say)
    typer.echo("ready; next: make up", err=True)


@app.command()
def doctor() -> None:
    """Say what is there, what is missing, how it will be got, and what this machine can run."""
    from tools.doctor import report

    report()


@app.command(context_settings={"ignore_unknown_options": True})
def run(
    command: Annotated[list[str] | None, typer.Argument()] = None,
    tools: Annotated[bool, typer.Option(help="install missing tools first")] = False,
    engine: Engine = False,
    rehearsal: Annotated[bool, typer.Option(help="install the rehearsal's Kubernetes first")] = False,
    monitoring: Annotated[bool, typer.Option(help="install Prometheus and other programs of monitoring first")] = False,
    node: Annotated[bool, typer.Option(help="install its real node first, which takes root on Linux")] = False,
    fleet: Annotated[bool, typer.Option(help="install what carries images to edge hosts first")] = False,
    edge: Annotated[
        bool, typer.Option(help="install what edge hosts take first; test hosts take root on Linux")
    ] = False,
) -> None:
    """Become COMMAND, with the tools and the Python environment on PATH."""
    from tools import docker_engine, openssh
    from tools.environment import toolchain_environment

    environment = dict(os.environ)
    asked = (("rehearsal", rehearsal), ("monitoring", monitoring), ("edge", fleet or edge))
    groups = [name for name, wanted in asked if wanted]
    if node and (missing := no_node()):
        typer.echo(f"no kubelet and containerd: {missing}; the tests of a real node are skipped", err=True)
    elif node:
        groups.append("rehearsal-node")
    if tools or groups:
        installer = Installer()
        named = [name for group in groups for name in installer.group(group)]
        # In one go: what compiles for one of them is half of what compiles for another.
        installer.ensure([*(installer.default if tools else ()), *named])
    if edge and (missing := no_node()):
        typer.echo(f"no test hosts: {missing}; the tests of edge hosts are skipped", err=True)
    elif edge:
        openssh.ensure(Display().say)
    if engine:
        environment.update(docker_engine.ensure(Display().say).environment())
    environment.update(toolchain_environment())
    if command:
        try:
            os.execvpe(command[0], command, environment)  # noqa: S606  # it replaces this process, on purpose
        except OSError as error:
            raise ToolError(f"{command[0]} cannot be run: {error.strerror}") from error


def no_node() -> str:
    """Why no kubelet and no test host can run here, as far as that is seen without trying; empty where one may."""
    if sys.platform != "linux":
        return f"they run on Linux only, and this is {sys.platform}"
    return "" if os.geteuid() == 0 else "they take root"


def main() -> int:
    """Run the command line; a ToolError becomes one screen of text and exit code 1, an interrupt 130."""
    try:
        # Typer hands back the exit code of `typer.Exit` here, and makes one (130) of an interrupt.
        code: int | None = app(standalone_mode=False)
    except ToolError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:
        # Mistyped options: the only errors of the command line library that reach here.
        if not hasattr(error, "format_message"):
            raise
        print(f"error: {error.format_message()}; see python -m tools --help", file=sys.stderr)
        return 2
    if code == INTERRUPTED:
        print("stopped; the same command goes on from here", file=sys.stderr)
    return code or 0


if __name__ == "__main__":
    sys.exit(main())
