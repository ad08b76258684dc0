"""What a stack's Prometheus knows: figures now, figures over time, its alerts, and whom it asks."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from components.monitoring.prometheus import PORT
from components.workload import Value
from ops.inside import Inside, Unreachable

BASE = f"http://127.0.0.1:{PORT}/api/v1"
"""Where it answers in its own container."""


class Sample(Value):
    """The value of a series at one moment. `labels` has the series' name as `__name__` where it has one."""

    labels: dict[str, str]
    value: float

    @property
    def name(self) -> str:
        """The series' name; empty for what a query computed."""
        return self.labels.get("__name__", "")


class Line(Value):
    """A series over time: seconds since 1970, and its value then."""

    labels: dict[str, str]
    points: tuple[tuple[float, float], ...]


class Alert(Value):
    """An alert that is `pending` or `firing`. `since` is when it became so, as Prometheus writes times."""

    labels: dict[str, str]
    annotations: dict[str, str]
    state: str
    since: str

    @property
    def name(self) -> str:
        """Its name."""
        return self.labels.get("alertname", "")

    @property
    def severity(self) -> str:
        """How bad it is."""
        return self.labels.get("severity", "")


class Target(Value):
    """What Prometheus asks. `health` is `up`, `down`, or `unknown` before the first time; `error` is the last one's."""

    job: str
    instance: str
    health: str
    error: str = ""


class Prometheus:
    """Reads a stack's Prometheus through `inside`. Everything raises Unreachable when it does not answer."""

    def __init__(self, inside: Inside) -> None:
        self._inside = inside

    def query(self, expression: str) -> list[Sample]:
        """The result of an instant query, one sample for each series."""
        found = self._data("query", query=expression)["result"]
        return [Sample(labels=entry["metric"], value=float(entry["value"][1])) for entry in found]

    def query_range(self, expression: str, start: float, end: float, step: int) -> list[Line]:
        """The result of a query at every `step` seconds from `start` to `end` (seconds since 1970)."""
        return self._lines("query_range", query=expression, start=start, end=end, step=step)

    def samples(self, selector: str) -> list[Line]:
        """What a range of a series (`name[1m]`) has, each sample with its own time."""
        return self._lines("query", query=selector)

    def alerts(self) -> list[Alert]:
        """Alerts that fire, and those about to."""
        return [
            Alert(
                labels=entry["labels"],
                annotations=entry["annotations"],
                state=entry["state"],
                since=entry["activeAt"],
            )
            for entry in self._data("alerts")["alerts"]
        ]

    def targets(self) -> list[Target]:
        """Everything it asks."""
        return [
            Target(
                job=entry["labels"]["job"],
                instance=entry["labels"]["instance"],
                health=entry["health"],
                error=entry["lastError"],
            )
            for entry in self._data("targets", state="active")["activeTargets"]
        ]

    def _lines(self, what: str, **parameters: object) -> list[Line]:
        return [
            Line(labels=entry["metric"], points=tuple((float(at), float(value)) for at, value in entry["values"]))
            for entry in self._data(what, **parameters)["result"]
        ]

    def _data(self, what: str, **parameters: object) -> dict[str, Any]:
        url = f"{BASE}/{what}?{urlencode(parameters)}" if parameters else f"{BASE}/{what}"
        text = self._inside.get(url)
        try:
            answer = json.loads(text)
        except ValueError:
            answer = {}
        if answer.get("status") != "success":
            raise Unreachable(
                f"Prometheus has no answer to {what}: {answer.get('error') or 'it is not JSON'}",
                harm="nothing is known of how the stack is",
                fix="wait a minute; if it stays, see the log of Prometheus's container",
            )
        data: dict[str, Any] = answer["data"]
        return data
