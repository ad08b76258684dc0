"""`make alert-test`: send one alert the way real ones go, and say whether it left for each receiver."""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from rich.console import Console

from components.monitoring import alertmanager
from components.monitoring.receivers import Receiver
from components.monitoring.rules.rule import Severity
from components.settings import load, load_overlay
from components.workload import Value
from ops import inside
from ops.errors import UserError
from ops.inside import Inside
from ops.machine import Machine

BASE = f"http://{alertmanager.NAME}:{alertmanager.PORT}"
ALERTS = f"{BASE}/api/v2/alerts"
NAME = "AlertTest"
PATIENCE = 60
"""Seconds until a receiver counts as not reached. Alertmanager waits ten for others of the same group."""

LASTS = timedelta(minutes=5)
"""How long the alert lasts where nobody ends it, because this command was killed."""


class Sent(Value):
    """Messages that Alertmanager has handed to receivers, by kind of receiver, since it started.

    `tried` and `failed` count tries; of one message there may be several, until it is `given_up`, by kind and reason.
    All count by kind, not by receiver or alert: another alert that is sent in the same seconds counts as well.
    """

    tried: Counter[str]
    failed: Counter[str]
    given_up: Counter[tuple[str, str]]


class Waiting(Value):
    """What has become, since a moment, of the messages that `expected` receivers of one kind should get."""

    kind: str
    expected: int
    taken: int
    failed_tries: int
    given_up: dict[str, int]

    @property
    def missing(self) -> int:
        """Receivers that have not taken theirs."""
        return max(0, self.expected - self.taken)

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.missing <= sum(self.given_up.values())


def run(stack: str, severity: Severity, console: Console) -> None:
    """Send the alert and wait until every receiver of its severity has taken it. Raises UserError."""
    machine = Machine(stack)
    settings = load(stack, machine.project, load_overlay(machine.config_path))
    way = inside.of(settings, stack)
    receivers = settings.monitoring.receivers if settings.monitoring else {}
    send(way, stack, severity, receivers, console)


def send(
    way: Inside,
    stack: str,
    severity: Severity,
    receivers: dict[str, Receiver],
    console: Console,
    wait: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Send an alert to `receivers`, which are all of the stack. Raises UserError naming whom it did not reach."""
    asked = {name: receiver for name, receiver in receivers.items() if severity in receiver.severities}
    if not asked:
        raise UserError(
            f"no receiver of stack '{stack}' takes {severity} alerts",
            harm="such alerts are shown by make status and reach nobody",
            fix=f"add one to slm:monitoring.receivers in Pulumi.{stack}.yaml, then make up STACK={stack}",
        )
    before, labels = sent(way), _labels(severity, stack)
    _post(way, labels, LASTS)
    try:
        _routed(way, labels, set(asked), stack)
        console.print(f"  sent      one {severity} alert, {NAME} ({labels['engine']}); it waits for others for 10 s")
        found = _wait(way, before, Counter(receiver.kind for receiver in asked.values()), wait, clock)
    finally:
        # Receivers that want to know when an alert ends hear of it two minutes later.
        _post(way, labels, timedelta())
    if late := [one for one in found if one.missing]:
        raise _not_reached(late, asked, stack)
    for name, receiver in asked.items():
        console.print(f"  taken     by {name} ({receiver.kind}); whether a person sees it only that person can say")
    for name in receivers.keys() - asked.keys():
        console.print(f"  not asked {name}, which takes no {severity} alerts")


def sent(way: Inside) -> Sent:
    """What Alertmanager has counted until now. Raises ops.inside.Unreachable."""
    # The library is one of the ONNX server's as well; only this command of ours reads metrics without Prometheus.
    from prometheus_client.parser import text_string_to_metric_families

    requests: dict[str, Counter[str]] = {"": Counter(), "failed_": Counter()}
    given_up: Counter[tuple[str, str]] = Counter()
    for family in text_string_to_metric_families(way.get(f"{BASE}/metrics")):
        for sample in family.samples:
            labels = sample.labels
            for infix, found in requests.items():
                if sample.name == f"alertmanager_notification_requests_{infix}total":
                    found[labels["integration"]] += int(sample.value)
            if sample.name == "alertmanager_notifications_failed_total":
                given_up[labels["integration"], labels["reason"]] += int(sample.value)
    return Sent(tried=requests[""], failed=requests["failed_"], given_up=given_up)


def since(before: Sent, now: Sent, kind: str, expected: int) -> Waiting:
    """What has become of the messages to a kind of receiver."""
    failed = now.failed[kind] - before.failed[kind]
    rise = {reason: now.given_up[of, reason] - before.given_up[of, reason] for of, reason in now.given_up if of == kind}
    return Waiting(
        kind=kind,
        expected=expected,
        taken=now.tried[kind] - before.tried[kind] - failed,
        failed_tries=failed,
        given_up={reason: count for reason, count in rise.items() if count},
    )


def _labels(severity: Severity, stack: str) -> dict[str, str]:
    """Labels that no other alert has: alerts of a group that was sent before would wait for minutes."""
    return {"alertname": NAME, "severity": severity, "stack": stack, "engine": f"alert-test-{secrets.token_hex(4)}"}


def _post(way: Inside, labels: dict[str, str], lasts: timedelta) -> None:
    now = datetime.now(UTC)
    told = {
        "summary": "A test of the way alerts go: make alert-test sent it, nothing is wrong",
        "runbook_url": "docs/runbooks/AlertsDoNotArrive.md",
    }
    starts, ends = (at.isoformat() for at in (now, now + lasts))
    way.post(ALERTS, json.dumps([{"labels": labels, "annotations": told, "startsAt": starts, "endsAt": ends}]))


def _routed(way: Inside, labels: dict[str, str], names: set[str], stack: str) -> None:
    """Raise UserError when the running Alertmanager would send the alert to other receivers than described."""
    question = urlencode({"filter": f'engine="{labels["engine"]}"'})
    known: list[dict[str, Any]] = json.loads(way.get(f"{ALERTS}?{question}"))
    to = {receiver["name"] for alert in known for receiver in alert["receivers"]}
    if to != names:
        raise UserError(
            f"the stack file sends such an alert to {', '.join(sorted(names))}, and the running Alertmanager to"
            f" {', '.join(sorted(to)) or 'nobody'}",
            harm="alerts go where an older description says",
            fix=f"make up STACK={stack}; if it stays, see docs/runbooks/PrometheusConfigurationRefused.md",
        )


def _wait(
    way: Inside, before: Sent, expected: Counter[str], wait: Callable[[float], object], clock: Callable[[], float]
) -> list[Waiting]:
    """What has become of the messages to each kind of receiver, once nothing more will, or patience ends."""
    end = clock() + PATIENCE
    while True:
        now = sent(way)
        found = [since(before, now, kind, count) for kind, count in expected.items()]
        if all(one.over for one in found) or clock() >= end:
            return found
        wait(1)


def _not_reached(late: list[Waiting], asked: dict[str, Receiver], stack: str) -> UserError:
    lines = []
    for one in late:
        names = ", ".join(name for name, receiver in asked.items() if receiver.kind == one.kind)
        reasons = f", given up for {', '.join(one.given_up)}" if one.given_up else ""
        tried = f"failed tries: {one.failed_tries}{reasons}" if one.failed_tries else f"never tried in {PATIENCE} s"
        lines.append(f"{one.missing} of {names} ({one.kind}) did not take the alert: {tried}")
    return UserError(
        "\n".join(lines),
        harm="real alerts would not arrive either",
        fix=f"its log says why: docker logs slm-{stack}-{alertmanager.NAME}, on a cluster kubectl logs"
        f" {alertmanager.NAME}-0 -n NAMESPACE; then docs/runbooks/AlertsDoNotArrive.md",
    )
