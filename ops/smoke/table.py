"""The tables of `make smoke`: one for each model, a row for each check."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from ops.smoke.checks import Result
from ops.smoke.subjects import Subject

COLOURS = {"pass": "green", "fail": "red", "not supported": "dim"}


def title(subject: Subject) -> str:
    """What is checked and what is known of it."""
    size = f"{subject.parameters / 1e9:.2g}B" if subject.parameters else "size not known"
    skills = ", ".join(sorted(subject.skills)) or "base model"
    return f"{subject.model} on {subject.kind} ({size}; {skills})"


def shown(subject: Subject, results: Sequence[Result]) -> Table:
    """The table a person reads. The level says whether the content of the answer counted, or only its form."""
    table = Table(title=escape(title(subject)), title_justify="left", title_style="bold")
    for heading in ("check", "level", "result", "answer"):
        table.add_column(heading, overflow="fold")
    for result in results:
        colour = COLOURS[result.verdict]
        table.add_row(result.check, result.level, f"[{colour}]{result.verdict}[/]", escape(result.words))
    return table
