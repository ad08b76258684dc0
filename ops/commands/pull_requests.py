"""Pull requests: what one changes, its stack, and the end of those that are over."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ops.commands.shared import StackOrFleet, console, wide

app = typer.Typer()


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

    code = run(PROJECT, wide(), still_open=still_open, apply=apply, keep=keep, forget=forget, file=file)
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
