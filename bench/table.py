"""What was measured: one row a number, judged by its goal, shown as a table and kept as JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from rich.table import Table

Verdict = Literal["met", "missed", "no goal"]


@dataclass(frozen=True)
class Goal:
    """An upper limit on the value itself, on its ratio to the reference, or on what it adds to the reference."""

    of: Literal["value", "ratio", "added"]
    limit: float

    def text(self, unit: str) -> str:
        """As the table shows it."""
        words = {"value": f"{self.limit:g} {unit}", "ratio": f"{self.limit:g}x", "added": f"+{self.limit:g} {unit}"}
        return f"<= {words[self.of]}"


@dataclass(frozen=True)
class Row:
    """One number. `ours` and `reference` are in `unit`; `samples` are what they are the medians of."""

    metric: str
    unit: str
    ours: float
    reference: float | None = None
    goal: Goal | None = None
    note: str = ""
    samples: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.goal and self.goal.of != "value" and self.reference is None:
            raise ValueError(f"{self.metric}: a goal on its {self.goal.of} needs a reference")

    @property
    def ratio(self) -> float | None:
        """Ours over the reference; None without a reference."""
        return self.ours / self.reference if self.reference else None

    @property
    def judged(self) -> float | None:
        """The number the goal limits; None without a goal."""
        if self.goal is None:
            return None
        return {"value": self.ours, "ratio": self.ratio, "added": self.ours - (self.reference or 0)}[self.goal.of]

    @property
    def verdict(self) -> Verdict:
        """Whether the goal is met; the limit itself meets it."""
        if self.goal is None or self.judged is None:
            return "no goal"
        return "met" if self.judged <= self.goal.limit else "missed"

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "ratio": self.ratio, "verdict": self.verdict}


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that is not exceeded by `percent` of the values. Raises ValueError for no values."""
    if not values:
        raise ValueError("no values were measured")
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100).__int__() - 1)]


def interleaved(runs: int, *sides: Callable[[], float]) -> list[list[float]]:
    """Measure each side once, then each once again, …: what drifts on the machine meets all of them alike."""
    measured: list[list[float]] = [[] for _ in sides]
    for _ in range(runs):
        for values, side in zip(measured, sides, strict=True):
            values.append(side())
    return measured


def compared(
    metric: str, unit: str, ours: Sequence[float], reference: Sequence[float], goal: Goal | None = None, note: str = ""
) -> Row:
    """A row of two medians."""
    samples = {"ours": list(ours), "reference": list(reference)}
    return Row(metric, unit, statistics.median(ours), statistics.median(reference), goal, note, samples)


def shown(rows: Sequence[Row]) -> Table:
    """The table a person reads."""
    table = Table(title="slm-stacks measured on this machine", title_justify="left", title_style="bold")
    for heading in ("metric", "ours", "reference", "ratio", "goal", "verdict"):
        table.add_column(heading, overflow="fold", justify="left" if heading in ("metric", "verdict") else "right")
    colours = {"met": "green", "missed": "red", "no goal": "dim"}
    for row in rows:
        table.add_row(
            row.metric + (f"\n[dim]{row.note}[/dim]" if row.note else ""),
            _number(row.ours, row.unit),
            _number(row.reference, row.unit),
            f"{row.ratio:.2f}x" if row.ratio else "-",
            row.goal.text(row.unit) if row.goal else "-",
            f"[{colours[row.verdict]}]{row.verdict}[/]",
        )
    return table


def write(path: Path, rows: Sequence[Row], machine: Mapping[str, Any]) -> None:
    """Keep the rows of this run; rows of an earlier run that were not measured now are not kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"machine": dict(machine), "rows": [row.document() for row in rows]}
    path.write_text(json.dumps(document, indent=1) + "\n")


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
