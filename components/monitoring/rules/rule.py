"""What a rule is: a recorded series, an alert, and groups of them in the order Prometheus evaluates them (pure)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, StringConstraints

from components.workload import File, FileName, Value

RUNBOOKS = "docs/runbooks"
"""The folder of the runbook pages, from the project's root."""

Severity = Literal["critical", "warning", "info"]
"""`critical`: somebody is called now. `warning`: somebody looks today. `info`: worth knowing, nobody is disturbed."""

SeriesName = Annotated[str, StringConstraints(pattern=r"^slm:[a-z][a-z0-9_]*(:[a-z0-9_]+)?$")]
"""A recorded series: `slm:what_unit` and, after a second colon, how it was made (`rate5m`, `p95`)."""

AlertName = Annotated[str, StringConstraints(pattern=r"^([A-Z][a-z0-9]*)+$")]
Duration = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*[smhd]$")]
Expression = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Record(Value):
    """A series that Prometheus computes at each evaluation. `labels` are added to each of its results."""

    name: SeriesName
    expr: Expression
    labels: dict[str, str] = Field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """As Prometheus reads it."""
        labels = {"labels": self.labels} if self.labels else {}
        return {"record": self.name, "expr": self.expr} | labels


class Alert(Value):
    """Something a person must know: it fires once `expr` has had results for `wait`.

    `keep` is how long it goes on after the last result, so that what flaps does not end each minute. `summary` is one
    line and may use Prometheus's templates; `runbook` is the page in `RUNBOOKS`, the alert's own name by default.
    """

    name: AlertName
    expr: Expression
    wait: Duration | None = None
    keep: Duration | None = None
    severity: Severity
    summary: str = Field(min_length=10, max_length=200)
    runbook: AlertName | None = None

    @property
    def page(self) -> str:
        """Path of its runbook page from the project's root."""
        return f"{RUNBOOKS}/{self.runbook or self.name}.md"

    def document(self) -> dict[str, Any]:
        """As Prometheus reads it."""
        times = {"for": self.wait, "keep_firing_for": self.keep}
        return {
            "alert": self.name,
            "expr": self.expr,
            **{key: value for key, value in times.items() if value},
            "labels": {"severity": self.severity},
            "annotations": {"summary": self.summary, "runbook_url": self.page},
        }


class Group(Value):
    """Rules that are evaluated together, one after the other: a later one sees what an earlier one recorded.

    `interval` is the time between two evaluations; without it, Prometheus's own.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z-]*$")]
    rules: tuple[Record | Alert, ...] = Field(min_length=1)
    interval: Duration | None = None

    def document(self) -> dict[str, Any]:
        """As Prometheus reads it."""
        interval = {"interval": self.interval} if self.interval else {}
        return {"name": f"slm-{self.name}", **interval, "rules": [rule.document() for rule in self.rules]}


def rule_file(name: FileName, groups: tuple[Group, ...]) -> File:
    """A rule file of Prometheus with these groups."""
    text = yaml.safe_dump({"groups": [group.document() for group in groups]}, sort_keys=False, width=1000)
    return File(
        name=name, content=f"# Made by components/monitoring/rules; changes made here by hand are lost.\n{text}"
    )
