"""What the pinned programs were seen to say at /metrics, as the queries' checker needs it."""

from __future__ import annotations

import tomllib
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from components.monitoring.rules import TARGET_LABELS, Facts, recording_groups
from components.monitoring.rules.rule import Record
from tests.fixtures.metrics.capture import samples
from tests.unit.monitoring_rules_queries import Metrics, labels_of

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "metrics"
OF_EVERY_TARGET = ("up", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_samples_post_metric_relabeling")
"""Series that Prometheus itself adds for each target."""

WITHOUT_END = {
    ("loki_request_duration_seconds_count", "status_code"),
    ("vmagent_remotewrite_requests_total", "status_code"),
}
"""Labels whose values depend on what has happened: a value that was not seen is possible."""


@cache
def index() -> dict[str, dict[str, Any]]:
    """The rows of the index by the name of their file."""
    return tomllib.loads((FOLDER / "index.toml").read_text())


@cache
def not_captured() -> dict[str, dict[str, Any]]:
    """Versions that could not be run where the fixtures were taken, by role, with the reason."""
    return tomllib.loads((FOLDER / "not-captured.toml").read_text())


@cache
def captured() -> Metrics:
    """Every metric of every fixture with the labels it has once it is scraped."""
    metrics = Metrics()
    for stem, row in index().items():
        added = ("job", "instance", *TARGET_LABELS[row["job"]])
        for sample in samples((FOLDER / f"{stem}.prom").read_text()):
            labels = {
                (f"exported_{label}" if label in added else label): (
                    None if (sample.name, label) in WITHOUT_END else {value}
                )
                for label, value in sample.labels.items()
            }
            metrics.add(sample.name, labels | dict.fromkeys(added) | {"job": {row["job"]}})
    for job, labels in TARGET_LABELS.items():
        for name in OF_EVERY_TARGET:
            metrics.add(name, dict.fromkeys(("instance", *labels)) | {"job": {job}})
    metrics.add("ALERTS", dict.fromkeys(("alertname", "alertstate", "severity", "engine", "workload", "instance")))
    return metrics


def recorded(facts: Facts) -> Metrics:
    """Captured metrics with everything the stack's rules record, each checked as it is added."""
    metrics = Metrics({name: dict(labels) for name, labels in captured().names.items()})
    for group in recording_groups(facts):
        for rule in group.rules:
            assert isinstance(rule, Record)
            found = labels_of(rule.expr, metrics)
            metrics.add(rule.name, dict.fromkeys(found) | dict.fromkeys(rule.labels))
    return metrics


def day(row: dict[str, Any]) -> date:
    """When a fixture was taken."""
    found = row["captured"]
    assert isinstance(found, date)
    return found
