"""`make sweep`: which review stacks of a backend are over, and with APPLY=1 their end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from components.settings.review import pull_request_of
from ops.errors import UserError
from ops.machine import STATE_DIRECTORY
from ops.review.rules import rules
from ops.sweep.backend import opened
from ops.sweep.remove import Outcome, Remover
from ops.sweep.report import Report
from ops.sweep.stack import AT_ONCE, found, open_pull_requests
from ops.sweep.verdict import judge


def run(
    project: Path,
    console: Console,
    *,
    still_open: str = "",
    apply: bool = False,
    keep: str = "",
    forget: str = "",
    file: Path | None = None,
) -> int:
    """Look at every stack, and with `apply` remove those that are over; gives the exit code.

    `still_open` as open_pull_requests takes it; `keep` are further protected names; of the stacks in `forget` the state
    goes even where their cluster or host does not answer. Raises UserError.
    """
    known, numbers = rules(project), open_pull_requests(still_open)
    forgotten = _names(forget, "FORGET")
    protected = {*_names(keep, "KEEP"), *described(project)}
    with opened(project) as backend:
        now = datetime.now(UTC)
        verdicts = [judge(stack, numbers, now, known, protected) for stack in found(backend)]
        due = [verdict.stack for verdict in verdicts if verdict.kind == "due"]
        if strange := forgotten - {stack.name for stack in due}:
            raise UserError(
                f"FORGET={','.join(sorted(strange))}: no such review stack is over",
                harm="nothing was removed",
                fix="make sweep shows which are; OPEN=… says which pull requests are still open",
            )
        outcomes = None
        if apply:
            remover = Remover(backend, known, frozenset(forgotten))
            with ThreadPoolExecutor(AT_ONCE) as pool:
                outcomes = {outcome.stack: outcome for outcome in pool.map(remover.remove, due)}
        report = Report(backend.url, now, verdicts, outcomes)
    report.write(file or project / STATE_DIRECTORY / "sweep" / "sweep.md")
    _show(report, len(due), console)
    return report.exit_code


def remove(stack: str, project: Path, console: Console) -> Outcome:
    """Remove one review stack, whatever its time says. One that is not there is removed already. Raises UserError."""
    known = rules(project)
    if pull_request_of(stack) is None or stack in {*known.protected, *described(project)}:
        raise UserError(f"'{stack}' is no review stack", harm="nothing was removed", fix="PR=12, a number")
    with opened(project) as backend:
        own = next((one for one in found(backend) if one.name == stack), None)
        if own is None:
            console.print(f"there is no stack '{stack}' on this backend: nothing to remove", highlight=False)
            return Outcome(stack, removed=True)
        outcome = Remover(backend, known).remove(own)
    verdict = judge(own, (), datetime.now(UTC), known)
    _show(Report(backend.url, datetime.now(UTC), [verdict], {stack: outcome}), 1, console)
    return outcome


def described(project: Path) -> set[str]:
    """Names of the stacks that a committed file describes: none of them is a review stack."""
    named = (path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in project.glob("Pulumi.?*.yaml"))
    return {name for name in named if pull_request_of(name) is None}


def _names(given: str, option: str) -> set[str]:
    names = {name.strip() for name in given.split(",") if name.strip()}
    if option == "FORGET" and (wrong := sorted(name for name in names if pull_request_of(name) is None)):
        raise UserError(f"FORGET={wrong[0]} is no review stack", harm="nothing was done", fix="FORGET=pr-12")
    return names


def _show(report: Report, due: int, console: Console) -> None:
    console.print(report.table())
    for line in report.lines():
        console.print(f"  {line}", markup=False, highlight=False)
    if report.outcomes is None:
        console.print(f"dry run: {due} would go; APPLY=1 removes them" if due else "nothing to remove")
        return
    gone = sum(1 for outcome in report.outcomes.values() if outcome.removed)
    left = sum(1 for outcome in report.outcomes.values() if outcome.todo)
    console.print(f"{gone} removed, {left} need somebody" if due else "nothing to remove")
