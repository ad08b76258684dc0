"""`make alert-test` says that an alert was taken only when Alertmanager has counted it, and otherwise what failed."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import TypeAdapter
from rich.console import Console

from components.monitoring.receivers import Receiver
from components.monitoring.rules.rule import Severity
from ops import alert_test
from ops.errors import UserError

pytestmark = pytest.mark.unit

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "metrics" / "alertmanager-0.28.1.prom"
RECEIVERS: dict[str, Any] = {
    "oncall": {"kind": "webhook", "url": "http://hook:1/x"},
    "team": {"kind": "webhook", "url": "http://hook:2/x", "severities": ["warning"]},
    "mail": {"kind": "email", "to": "a@b", "sender": "c@d", "smarthost": "mail:587"},
}


def receivers(*names: str) -> dict[str, Receiver]:
    return TypeAdapter(dict[str, Receiver]).validate_python({name: RECEIVERS[name] for name in names})


class Alertmanager:
    """Answers as Alertmanager does. After three seconds receivers have taken `takes` messages and refused `fails`."""

    def __init__(
        self, takes: dict[str, int], fails: dict[str, int], routed: tuple[str, ...], given_up: int = 0
    ) -> None:
        self.given_up = given_up
        self.takes, self.fails, self.routed = takes, fails, routed
        self.alerts: list[dict[str, Any]] = []
        self.seconds = 0.0

    def post(self, url: str, body: str) -> str:
        assert url == "http://alertmanager:9093/api/v2/alerts"
        self.alerts += json.loads(body)
        return ""

    def get(self, url: str) -> str:
        parts = urlsplit(url)
        if parts.path == "/metrics":
            return self.metrics()
        engine = self.alerts[-1]["labels"]["engine"]
        assert parse_qs(parts.query)["filter"] == [f'engine="{engine}"']
        return json.dumps([{**self.alerts[-1], "receivers": [{"name": name} for name in self.routed]}])

    def metrics(self) -> str:
        """What was seen of the pinned version, with other numbers."""
        happened = bool(self.alerts) and self.seconds >= 3
        lines = []
        for line in FIXTURE.read_text().splitlines():
            name, _, rest = line.partition("{")
            kind = rest.partition('integration="')[2].partition('"')[0]
            taken, failed = (found.get(kind, 0) if happened else 0 for found in (self.takes, self.fails))
            # It had already sent some, and some of them in vain.
            if 'reason="clientError"' in rest and self.given_up:
                failed = self.given_up if happened and kind in self.fails else 0
                line = f"{line.rpartition(' ')[0]} {failed}" if "notifications_failed" in name else line
            values = {
                "alertmanager_notification_requests_total": 10 + taken + failed,
                "alertmanager_notification_requests_failed_total": 4 + failed,
            }
            lines.append(f"{line.rpartition(' ')[0]} {values[name]}" if name in values else line)
        return "\n".join(lines) + "\n"

    def wait(self, seconds: float) -> None:
        self.seconds += seconds


def run(way: Alertmanager, *names: str, severity: Severity = "critical") -> str:
    out = io.StringIO()
    console = Console(file=out, width=200)
    alert_test.send(way, "dev", severity, receivers(*names), console, wait=way.wait, clock=lambda: way.seconds)
    return out.getvalue()


def test_it_says_taken_once_each_receiver_was_counted() -> None:
    way = Alertmanager({"webhook": 1, "email": 1}, {}, ("oncall", "mail"))
    text = run(way, "oncall", "mail", "team")
    assert "taken     by oncall (webhook)" in text
    assert "taken     by mail (email)" in text
    assert "not asked team" in text
    assert way.seconds == 3


def test_the_alert_is_a_real_one_of_its_own_and_is_ended() -> None:
    way = Alertmanager({"webhook": 1}, {}, ("oncall",))
    run(way, "oncall")
    begun, ended = way.alerts
    assert begun["labels"] == ended["labels"]
    assert begun["labels"]["severity"] == "critical"
    assert "nothing is wrong" in begun["annotations"]["summary"]
    now = datetime.now(UTC)
    assert now < datetime.fromisoformat(begun["endsAt"]) <= now + timedelta(minutes=5)
    assert datetime.fromisoformat(ended["endsAt"]) <= now
    again = Alertmanager({"webhook": 1}, {}, ("oncall",))
    run(again, "oncall")
    assert again.alerts[0]["labels"] != begun["labels"], "a second test in the same minutes would wait for its group"


def test_what_failed_is_no_success_and_is_told() -> None:
    way = Alertmanager({"email": 1}, {"webhook": 6}, ("oncall", "mail"))
    with pytest.raises(UserError, match="failed tries: 6") as error:
        run(way, "oncall", "mail")
    assert "oncall (webhook)" in error.value.what
    assert "mail" not in error.value.what
    assert "slm-dev-alertmanager" in error.value.fix
    assert len(way.alerts) == 2, "it is ended all the same"


def test_what_alertmanager_has_given_up_is_not_waited_for() -> None:
    way = Alertmanager({}, {"email": 1}, ("mail",), given_up=1)
    with pytest.raises(UserError, match="failed tries: 1, given up for clientError"):
        run(way, "mail")
    assert way.seconds == 3


def test_what_is_taken_after_failures_is_taken() -> None:
    assert "taken" in run(Alertmanager({"webhook": 1}, {"webhook": 3}, ("oncall",)), "oncall")


def test_one_of_two_of_a_kind_is_not_both() -> None:
    way = Alertmanager({"webhook": 1}, {}, ("oncall", "team"))
    with pytest.raises(UserError, match="1 of oncall, team"):
        run(way, "oncall", "team", severity="warning")


def test_nothing_tried_is_told_as_that() -> None:
    with pytest.raises(UserError, match="never tried in 60 s"):
        run(Alertmanager({}, {}, ("oncall",)), "oncall")


@pytest.mark.parametrize("routed", [(), ("nobody",), ("oncall", "team")])
def test_another_way_than_described_is_an_error(routed: tuple[str, ...]) -> None:
    way = Alertmanager({"webhook": 1}, {}, routed)
    with pytest.raises(UserError, match="the running Alertmanager to") as error:
        run(way, "oncall")
    assert "make up" in error.value.fix
    assert len(way.alerts) == 2


@pytest.mark.parametrize(("names", "severity"), [((), "critical"), (("oncall",), "info"), (("team",), "critical")])
def test_without_a_receiver_nothing_is_sent(names: tuple[str, ...], severity: Severity) -> None:
    way = Alertmanager({}, {}, ())
    with pytest.raises(UserError, match=f"no receiver of stack 'dev' takes {severity} alerts"):
        run(way, *names, severity=severity)
    assert way.alerts == []
