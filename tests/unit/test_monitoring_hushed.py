"""Which alerts are not told while a worse one fires: every rule of it is about alerts that there are."""

from __future__ import annotations

import re

import pytest

from components.monitoring.alertmanager import hushed
from components.monitoring.rules import Alert, alerts

pytestmark = pytest.mark.unit

ALERTS = {alert.name: alert for alert in alerts()}


def named(matcher: str) -> set[str]:
    """Names of alerts that a matcher of names takes."""
    pattern = re.fullmatch(r'alertname=~?"(.+)"', matcher)
    assert pattern, matcher
    return {name for name in ALERTS if re.fullmatch(pattern[1], name)}


@pytest.mark.parametrize("rule", hushed()[1:], ids=lambda rule: rule["source_matchers"][0])
def test_a_worse_alert_hushes_milder_ones_that_carry_the_same_labels(rule: dict[str, list[str]]) -> None:
    (source,), (target,) = rule["source_matchers"], rule["target_matchers"]
    worse, milder = named(source), named(target)
    assert worse
    assert len(milder) == target.count("|") + 1
    assert {ALERTS[name].severity for name in worse} == {"critical"}
    assert {ALERTS[name].severity for name in milder} <= {"warning", "info"}
    for name in (*worse, *milder):
        assert all(f"$labels.{label}" in ALERTS[name].summary for label in rule["equal"]), name


def test_a_critical_alert_hushes_what_is_milder_of_the_same_engine_alone() -> None:
    of_engine = hushed()[0]
    assert of_engine["equal"] == ["engine"]
    # Two alerts without an engine would have the same: none.
    assert 'engine!=""' in of_engine["source_matchers"]
    assert 'engine!=""' in of_engine["target_matchers"]

    def about(severity: str) -> list[Alert]:
        return [one for one in ALERTS.values() if one.severity == severity and "$labels.engine" in one.summary]

    assert about("critical")
    assert about("warning")
