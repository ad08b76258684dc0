"""`make report-pr`: what the checkout changes over BASE, written for whoever comments on pull requests."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from components.settings import SettingsError
from components.settings.stack_file import file_name
from ops.errors import UserError
from ops.machine import PROJECT
from ops.pull_request.checkout import CATALOGUE, base_of, program_changes, write_base, write_head
from ops.pull_request.previews import Asked, ask, read
from ops.pull_request.report import Report, build
from ops.pull_request.sides import Side, readable
from ops.pull_request.unknowns import Context

STATIC = "Pulumi was not asked"


@dataclass(frozen=True)
class Wanted:
    """What a report is asked for. `preview` are previews that were made before, `static` asks for none."""

    stack: str
    base: str
    file: Path | None = None
    preview: Path | None = None
    static: bool = False
    fail_on_risk: bool = False


def run(wanted: Wanted, project: Path = PROJECT, today: date | None = None) -> int:
    """Write the report, or print it. Gives the exit code: 1 for a description that cannot be used. Raises UserError."""
    report = make(wanted, project, today or date.today())
    if wanted.file is None:
        sys.stdout.write(report.full)
    else:
        _write(report, wanted.file)
    return 1 if report.invalid or (wanted.fail_on_risk and report.risky) else 0


def make(wanted: Wanted, project: Path, today: date) -> Report:
    """The report itself. Raises UserError for a BASE that git does not know, and for a stack by no possible name."""
    stack = wanted.stack.partition(".")[0]
    if not stack.replace("-", "").replace("_", "").isalnum() or not stack.isascii():
        raise UserError(f"STACK: '{stack[:40]}' is no stack's name", harm="there is no report", fix="STACK=prod")
    base = base_of(project, wanted.base)
    with tempfile.TemporaryDirectory() as scratch:
        folders = [Path(scratch) / name for name in ("base", "head")]
        for folder in folders:
            folder.mkdir()
        catalogue = write_base(project, base, file_name(stack), folders[0])
        write_head(project, file_name(stack), folders[1])
        head = Side(stack, folders[1], today, project / CATALOGUE)
        # What has expired since would not be a mistake of the base's.
        before, why = readable(Side(stack, folders[0], date.min, catalogue))
        notes = [why] if why else []
        if base.apart:
            notes.append(
                "git's history is cut off, so this compares with the tip of the base: its own changes show as well"
            )
        if before is None:
            empty = Path(scratch) / "none"
            empty.mkdir()
            before = Side(stack, empty, date.min)
        asked = _asked(wanted, project, head)
        context = Context(STATIC if wanted.static else "", program_changes(project, base), notes)
        return build(before, head, asked, context)


def _asked(wanted: Wanted, project: Path, head: Side) -> list[Asked]:
    try:
        fleet = head.fleet
        hosts = tuple(fleet.hosts) if fleet else ()
    except SettingsError:  # the report itself says so
        return []
    if wanted.static or not head.exists:
        return []
    if wanted.preview:
        return read(wanted.preview, hosts, project)
    return ask(head.stack, hosts, project, fleet.rollout.parallel if fleet else 1)


def _write(report: Report, file: Path) -> None:
    full = file.with_name(f"{file.stem}.full{file.suffix or '.md'}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        full.write_text(report.full)
        file.write_text(report.comment(full.name))
    except OSError as error:
        raise UserError(
            f"{file} cannot be written: {error.strerror}", harm="there is no report", fix="FILE=path"
        ) from None
