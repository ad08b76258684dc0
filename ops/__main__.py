"""The commands behind `make`: each one small, each error on one screen."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from tools.errors import ToolError

if TYPE_CHECKING:
    from ops.fleet.command import FleetCommand

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
_STACK_HELP = "stack name: Pulumi.<stack>.yaml describes it; edge.berlin-1 is one host of the fleet 'edge'"


def _one(stack: str) -> str:
    from ops.fleet.command import one_host

    return one_host(stack)


Stack = Annotated[str, typer.Option(help=_STACK_HELP, callback=_one)]
StackOrFleet = Annotated[str, typer.Option(help=_STACK_HELP)]
BackupFile = Annotated[Path | None, typer.Option(help="the backup; below .slm/backups without it")]
console = Console(highlight=False, soft_wrap=True)
INTERRUPTED = 130


def _fleet(stack: str) -> FleetCommand | None:
    """The commands of a fleet, None for a stack that is none."""
    from ops.fleet.command import FleetCommand, fleet_of

    fleet = fleet_of(stack)
    return FleetCommand(stack, fleet, _wide()) if fleet else None


def _wide() -> Console:
    """Where tables are printed: on one screen, or in a log."""
    return console if console.is_terminal else Console(highlight=False, soft_wrap=True, width=160)


@app.command()
def up(
    stack: StackOrFleet = "dev",
    model: Annotated[str, typer.Option(help="serve this model from now on")] = "",
    plan: Annotated[Path | None, typer.Option(help="do what this saved preview showed, and no more")] = None,
) -> None:
    """Deploy the stack and ask its model a question; a fleet in waves."""
    from ops.up import run

    if (fleet := _fleet(stack)) and not model and not plan:
        fleet.up()
    else:
        run(_one(stack), model or None, console, plan)


@app.command()
def preview(
    stack: StackOrFleet = "dev",
    plan: Annotated[Path | None, typer.Option(help="save it here, for up --plan")] = None,
) -> None:
    """Show what `up` would change."""
    from ops.preview import run

    fleet = None if plan else _fleet(stack)
    raise typer.Exit(fleet.preview() if fleet else run(_one(stack), plan=plan))


@app.command()
def drift(
    stack: StackOrFleet = "dev",
    file: Annotated[Path | None, typer.Option(help="write it here; exit code 1 when anything differs")] = None,
) -> None:
    """Show what differs from the description where the stack runs, changes by hand included."""
    from ops.preview import run

    if file:
        from ops.drift import run as compare

        raise typer.Exit(compare(_one(stack), file, console))
    fleet = _fleet(stack)
    raise typer.Exit(fleet.preview(refresh=True) if fleet else run(stack, "--refresh"))


@app.command()
def down(
    stack: StackOrFleet = "dev",
    purge: Annotated[bool, typer.Option(help="remove the weights, the keys and the state as well")] = False,
    force: Annotated[bool, typer.Option(help="when the host is gone: clean its state, list what stays there")] = False,
) -> None:
    """Remove everything but the weights."""
    from ops.down import run

    if fleet := _fleet(stack):
        fleet.down(purge=purge, force=force)
    else:
        run(stack, purge, console, force=force)


@app.command()
def review(
    pr: Annotated[int, typer.Option(min=1, help="number of the pull request")],
    owner: Annotated[str, typer.Option(envvar="OWNER", help="account of whom it belongs to")] = "",
    hours: Annotated[int | None, typer.Option(help="how long it lives; review.yaml says how long without it")] = None,
    base: Annotated[str, typer.Option(help="stack whose description it is made from; that of review.yaml")] = "",
    file: Annotated[
        Path | None, typer.Option(help="write what the pull request is told here, and .json beside")
    ] = None,
) -> None:
    """Bring up the review stack of a pull request and smoke-test it."""
    from components.settings.review import stack_of
    from ops.machine import Machine
    from ops.review.command import run

    run(pr, owner, hours, base, file, Machine(stack_of(pr)), console)


@app.command("review-down")
def review_down(
    pr: Annotated[int, typer.Option(min=1, help="number of the pull request")],
    file: Annotated[Path | None, typer.Option(help="write what the pull request is told here")] = None,
) -> None:
    """Remove the review stack of a pull request, with its state; exit code 1 when somebody must do the rest."""
    from ops.machine import PROJECT
    from ops.review.command import down

    raise typer.Exit(down(pr, file, PROJECT, console))


@app.command()
def sweep(
    still_open: Annotated[str, typer.Option("--open", envvar="OPEN", help="open pull requests: 12,15, or a file")] = "",
    apply: Annotated[bool, typer.Option("--apply", help="remove what is over; without it nothing is changed")] = False,
    keep: Annotated[str, typer.Option(envvar="KEEP", help="further protected stacks, with commas")] = "",
    forget: Annotated[str, typer.Option(envvar="FORGET", help="stacks whose host or cluster is gone for ever")] = "",
    file: Annotated[Path | None, typer.Option(help="the report; below .slm/sweep without it")] = None,
) -> None:
    """List the review stacks that are over, or remove them; exit code 1 when somebody must do something."""
    from ops.machine import PROJECT
    from ops.sweep.command import run

    code = run(PROJECT, _wide(), still_open=still_open, apply=apply, keep=keep, forget=forget, file=file)
    raise typer.Exit(code)


@app.command()
def comment(
    pr: Annotated[int, typer.Option(min=1, help="number of the pull request")],
    file: Annotated[Path, typer.Option(help="the text, whose first line is its marker")],
) -> None:
    """In a workflow: write a file as a pull request's comment, in place of the last one."""
    from ops.github.command import comment as run

    run(pr, file, console)


@app.command()
def issue(
    file: Annotated[Path, typer.Option(help="the text, whose first line is its marker")],
    title: Annotated[str, typer.Option(envvar="TITLE", help="title of the issue")] = "",
) -> None:
    """In a workflow: write a file as an issue, in place of the open one about the same."""
    from ops.github.command import issue as run

    run(title, file, console)


@app.command("open-prs")
def open_prs(file: Annotated[Path, typer.Option(help="where to")]) -> None:
    """In a workflow: write the numbers of open pull requests, for sweep."""
    from ops.github.command import open_pull_requests

    open_pull_requests(file, console)


@app.command(hidden=True)
def gate(
    stack: Stack,
    questions: Annotated[int, typer.Option(min=1)] = 3,
    error_percent: Annotated[float, typer.Option(min=0, max=100)] = 0,
) -> None:
    """Ask one host as the gate between two waves of a rollout does."""
    from ops.fleet.gate import run

    run(stack, questions, error_percent, console)


@app.command("fleet-ca")
def fleet_ca(stack: StackOrFleet = "edge") -> None:
    """Print the certificate of the fleet's own authority, which its clients trust."""
    from ops.fleet.command import authority

    authority(stack)


@app.command()
def smoke(stack: StackOrFleet = "dev") -> None:
    """Ask the running stack a question and check what runs against the security controls."""
    from ops.smoke_test import run

    if fleet := _fleet(stack):
        fleet.smoke()
    else:
        run(stack, console)


@app.command()
def check(stack: StackOrFleet = "dev") -> None:
    """Validate a stack's settings and print them; needs neither Docker nor a cloud."""
    from ops.check import run
    from ops.machine import PROJECT

    if fleet := _fleet(stack):
        raise typer.Exit(fleet.check())
    raise typer.Exit(run(stack, PROJECT))


@app.command()
def policies(stack: Stack = "dev", as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False) -> None:
    """Judge by the policies what `up` would make; exit code 1 where production refuses it."""
    from ops.policies import run

    raise typer.Exit(run(stack, _wide(), as_json=as_json))


@app.command()
def readiness(
    stack: StackOrFleet = "prod",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    static: Annotated[bool, typer.Option(help="ask nothing that runs")] = False,
) -> None:
    """Run the checklist of production; exit code 1 when a check failed or is unknown (ALLOW_UNKNOWN=1 allows that)."""
    from ops.readiness.command import run

    raise typer.Exit(run(stack, _wide(), as_json=as_json, static=static))


@app.command()
def outdated(
    everything: Annotated[bool, typer.Option("--all", help="show what is current as well")] = False,
) -> None:
    """Show newer versions of engines, tools, images and packages, as far as their places answer."""
    from ops.release.outdated import run

    raise typer.Exit(run(_wide(), everything=everything))


@app.command("release-check")
def release_check() -> None:
    """Check whether this checkout can be released, and write its bill of materials; exit code 1 when it cannot."""
    from ops.release.check import run

    raise typer.Exit(run(_wide()))


@app.command()
def key(stack: Stack = "dev") -> None:
    """Show the current API key, on a terminal only."""
    from ops.rotate import show

    show(stack)


@app.command()
def secret(
    name: Annotated[str, typer.Argument(help="as the stack's file names it")], stack: StackOrFleet = "dev"
) -> None:
    """Keep a secret the stack's file names, asked for or read from a pipe, encrypted; for a fleet, on every host."""
    from ops.secret import give

    if fleet := _fleet(stack):
        fleet.secret(name)
    else:
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
def recover(
    stack: Stack = "dev", apply: Annotated[bool, typer.Option(help="also do what may lose something")] = False
) -> None:
    """Explain what an earlier run or a hand left behind, and mend it; exit code 1 while something is left to do."""
    from ops.recover import run

    raise typer.Exit(run(stack, console, apply=apply))


@app.command("import")
def import_(
    stack: Stack = "dev",
    id: Annotated[str, typer.Option(help="ids, or NAME=id, with commas")] = "",
    file: Annotated[Path | None, typer.Option(help="a file with one a line")] = None,
) -> None:
    """Propose which resources of the stack take over what exists already; nothing is changed."""
    from ops.adopt import run

    raise typer.Exit(run(stack, id, file, console))


@app.command("state-backup")
def state_backup(stack: Stack = "dev", file: BackupFile = None) -> None:
    """Save a copy of what Pulumi knows of the stack; secrets in it stay encrypted."""
    from ops.state_command import backup

    backup(stack, file, console)


@app.command("state-restore")
def state_restore(stack: Stack = "dev", file: BackupFile = None) -> None:
    """Put a copy of the state back; the newest one without a file."""
    from ops.state_command import restore

    restore(stack, file, console)


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
    stack: StackOrFleet = "dev", watch: Annotated[bool, typer.Option(help="look again until interrupted")] = False
) -> None:
    """Show how the running stack, or each host of a fleet, is; exit code 1 when something is broken."""
    from ops.status.command import run

    if fleet := _fleet(stack):
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


@app.command("report-pr")
def report_pr(
    stack: StackOrFleet = "dev",
    base: Annotated[
        str, typer.Option(envvar="BASE", help="the git commit, tag or branch that is changed")
    ] = "origin/main",
    file: Annotated[Path | None, typer.Option(help="where to, beside the uncut text; printed without it")] = None,
    preview: Annotated[Path | None, typer.Option(help="what `pulumi preview --json` said; a fleet's folder")] = None,
    static: Annotated[bool, typer.Option(help="ask no stack: only what the descriptions say")] = False,
    fail_on_risk: Annotated[bool, typer.Option(help="exit code 1 where data is at risk or it must not run")] = False,
) -> None:
    """Write what this checkout changes, as one Markdown comment for a pull request."""
    from ops.pull_request.command import Wanted, run

    raise typer.Exit(run(Wanted(stack, base, file, preview, static, fail_on_risk)))


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
