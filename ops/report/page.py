"""The page of a report: what Prometheus says of the last hours, as HTML that needs nothing from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from components.workload import Value
from ops.prometheus import Prometheus, Sample
from ops.report.figures import ALERTS, COLUMNS, FIGURES, FIRST, Column, over
from ops.report.plot import drawn
from ops.status.state import Engine, Status

POINTS = 288
"""Of each line: one in five minutes for a day, which is what a rate of five minutes can tell."""

SHORTEST = 600
"""Seconds that a page is about at least, however young the stack is: less has no lines to be drawn."""

NOTHING = "-"


class Fired(Value):
    """An alert of the time shown: what it was of, and how many minutes it fired."""

    name: str
    severity: str
    of: str
    minutes: int


def page(prometheus: Prometheus, status: Status, stack: str, hours: int, kept: str, now: datetime) -> str:
    """The HTML. `kept` says how far back figures go. Raises ops.inside.Unreachable."""
    end = now.timestamp()
    wanted = end - hours * 3600
    first = next((sample.value for sample in prometheus.query(FIRST)), wanted)
    start = min(max(wanted, first), max(wanted, end - SHORTEST))
    found = [prometheus.query(over(column.query, hours)) for column in COLUMNS]
    template = _environment().get_template("page.html.j2")
    return template.render(
        stack=stack,
        shown=f"{hours} h" if first <= wanted else f"no more of the last {hours} h: figures begin then",
        kept=kept,
        since=_minute(start),
        until=_minute(end),
        status=status,
        columns=[column.title for column in COLUMNS],
        rows=[row(engine, COLUMNS, found) for engine in status.engines],
        alerts=list(fired(prometheus.query(over(ALERTS, hours)))),
        plots=list(_plots(prometheus, start, end)),
    )


def row(engine: Engine, columns: Sequence[Column], found: Sequence[Iterable[Sample]]) -> dict[str, Any]:
    """An engine's row of the table; `found` are the answers to the columns' queries."""
    cells = []
    for column, samples in zip(columns, found, strict=True):
        value = next((s.value for s in samples if s.labels.get("engine") == engine.name), None)
        known = value is not None and math.isfinite(value)
        cells.append(column.form.format(value / column.scale) if known and value is not None else NOTHING)
    return {"name": engine.name, "kind": engine.kind, "model": engine.model, "cells": cells}


def fired(samples: Iterable[Sample]) -> Iterator[Fired]:
    """The alerts of the time shown, the longest first."""
    for sample in sorted(samples, key=lambda sample: (-sample.value, sample.labels.get("alertname", ""))):
        labels = sample.labels
        yield Fired(
            name=labels.get("alertname", ""),
            severity=labels.get("severity", ""),
            of=", ".join(labels[label] for label in ("engine", "workload", "instance") if labels.get(label)),
            minutes=max(1, round(sample.value)),
        )


def _plots(prometheus: Prometheus, start: float, end: float) -> Iterator[Mapping[str, Any]]:
    step = max(15, round((end - start) / POINTS))
    for figure in FIGURES:
        lines = prometheus.query_range(figure.query, start, end, step)
        compared = prometheus.query_range(figure.compared, start, end, step) if figure.compared else []
        svg = drawn(figure, lines, compared, start, end, step)
        yield {
            "title": figure.title,
            "about": figure.about,
            "missing": figure.missing,
            # Matplotlib escapes what it writes.
            "svg": Markup(svg) if svg else None,  # noqa: S704
        }


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _minute(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}"
