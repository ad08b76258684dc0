"""What a dashboard is: rows of panels, each with its queries, unit and thresholds (pure)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from components.monitoring.rules.rule import RUNBOOKS, AlertName
from components.workload import Value

Unit = Literal[
    "short", "none", "percentunit", "percent", "s", "dtdurations", "reqps", "bytes", "Bps", "currencyUSD",
    "celsius", "watt", "cps", "bool_on_off", "hertz",
]  # fmt: skip
"""Units by Grafana's names. `percentunit` is a share of 1, `percent` of 100, `cps` counts a second."""

Shape = Literal["timeseries", "stat", "table", "bargauge", "logs", "text"]
Color = Literal["green", "yellow", "orange", "red", "blue"]
WIDTH = 24
"""Columns of a page."""


class Query(Value):
    """An expression and how its series are named: `{{engine}}` stands for a label. `now`: its last value only."""

    expr: str = Field(min_length=1)
    legend: str = ""
    now: bool = False


class Step(Value):
    """From this value on, the colour. The first of a panel has no value."""

    color: Color
    value: float | None = None


class Panel(Value):
    """A panel of `width` of 24 columns. Its `queries` are PromQL, or LogQL where `logs` is true.

    `about` says what is seen and what it means; `runbooks` are the alerts whose pages tell what to do.
    `low` and `high` are the axis's ends where they are known beforehand.
    """

    title: str = Field(min_length=3, max_length=60)
    about: str = Field(min_length=10)
    shape: Shape = "timeseries"
    unit: Unit = "short"
    queries: tuple[Query, ...] = ()
    logs: bool = False
    width: int = Field(8, ge=2, le=WIDTH)
    height: int = Field(8, ge=2, le=20)
    steps: tuple[Step, ...] = ()
    low: float | None = None
    high: float | None = None
    stacked: bool = False
    runbooks: tuple[AlertName, ...] = ()

    @property
    def description(self) -> str:
        """What a reader of the panel is told, with the pages that tell what to do."""
        pages = ", ".join(f"{RUNBOOKS}/{name}.md" for name in self.runbooks)
        return f"{self.about} What to do: {pages}." if pages else self.about

    @model_validator(mode="after")
    def _shows_something(self) -> Self:
        if (self.shape == "text") == bool(self.queries):
            raise ValueError(f"panel '{self.title}': a text has no query, everything else has one")
        if self.steps and (self.steps[0].value is not None or any(s.value is None for s in self.steps[1:])):
            raise ValueError(f"panel '{self.title}': the first step has no value, every other one has")
        return self


class Row(Value):
    """Panels under one heading. `closed`: opened by whoever wants to see them."""

    title: str
    panels: tuple[Panel, ...] = Field(min_length=1)
    closed: bool = False


class Choice(Value):
    """A choice at the top of the page: the values of `label` that `series` has. `several` may be taken together."""

    name: str = Field(pattern=r"^[a-z]+$")
    title: str
    series: str
    label: str
    several: bool = False


class Page(Value):
    """A dashboard. `uid` is part of its address, so it never changes."""

    uid: Annotated[str, StringConstraints(pattern=r"^slm-[a-z-]{3,30}$")]
    title: str
    about: str
    rows: tuple[Row, ...] = Field(min_length=1)
    choices: tuple[Choice, ...] = ()
    since: str = Field("now-3h", pattern=r"^now-[0-9]+[hd]$")

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All its panels in their order."""
        return tuple(panel for row in self.rows for panel in row.panels)


GOOD_UNTIL_ZERO = (Step(color="green"), Step(color="red", value=1))
"""For what should be none."""


def below(warn: float, bad: float) -> tuple[Step, ...]:
    """Green below `warn`, yellow until `bad`, then red."""
    return Step(color="green"), Step(color="yellow", value=warn), Step(color="red", value=bad)


def above(bad: float, good: float) -> tuple[Step, ...]:
    """Red below `bad`, yellow until `good`, then green."""
    return Step(color="red"), Step(color="yellow", value=bad), Step(color="green", value=good)
