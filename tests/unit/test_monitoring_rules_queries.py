"""Every metric, label and value that a rule or a runbook names was seen at /metrics of the pinned version."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from components.catalog import catalog
from components.monitoring.rules import Alert, alert_groups, alerts, records
from components.monitoring.rules.objectives import FIRST_TOKEN_EDGES, TOKEN_EDGES
from tests.fixtures.metrics.capture import reduced
from tests.unit.monitoring_rules_fixtures import captured, index, not_captured, recorded
from tests.unit.monitoring_rules_queries import Metrics, QueryError, labels_of
from tests.unit.monitoring_rules_samples import FACTS

pytestmark = pytest.mark.unit

PROJECT = Path(__file__).resolve().parents[2]
RUNBOOKS = PROJECT / "docs" / "runbooks"
METERED = {
    "vllm": "vllm",
    "vllm-cpu": "vllm",
    "llamacpp": "llamacpp",
    "llamacpp-cuda": "llamacpp",
    "onnx": "onnx",
    "onnx-cuda": "onnx",
    "ollama-exporter": "ollama",
    "haproxy": "gateway",
    "node-exporter": "node",
    "cadvisor": "cadvisor",
    "dcgm-exporter": "dcgm",
    "blackbox": "blackbox",
    "prometheus": "prometheus",
    "alertmanager": "alertmanager",
    "loki": "loki",
    "collector": "collector",
    "vmagent": "forwarder",
}
"""Roles of images whose program is asked for metrics, and the job that asks."""

UNMETERED = {"ollama", "fetch", "torch", "convert", "webui", "grafana"}


@pytest.fixture(scope="module")
def metrics() -> Metrics:
    return recorded(FACTS)


def test_what_every_rule_records_is_made_of_metrics_that_exist(metrics: Metrics) -> None:
    assert {record.name for record in records(FACTS)} <= set(metrics.names)


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.name)
def test_an_alert_names_what_exists_and_speaks_of_labels_it_has(alert: Alert, metrics: Metrics) -> None:
    labels = labels_of(alert.expr, metrics)
    assert set(re.findall(r"\$labels\.(\w+)", alert.summary)) <= labels


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: page.stem)
def test_the_queries_of_a_runbook_name_what_exists(page: Path, metrics: Metrics) -> None:
    for query in re.findall(r"```promql\n(.*?)```", page.read_text(), flags=re.DOTALL):
        labels_of(query, metrics)


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("rate(vllm:gpu_cache_usage_perc[5m])", "no metric is called vllm:gpu_cache_usage_perc"),
        ('vllm:num_requests_running{pod="x"}', "has no label pod"),
        ('slm_onnx_requests_total{outcome="exploded"}', "never has outcome=exploded"),
        ('vllm:time_to_first_token_seconds_bucket{le="3.0"}', "never has le=3.0"),
        ("sum by (pod) (up)", "no labels of up"),
        ("histogram_quantile(0.9, sum by (engine) (rate(vllm:time_to_first_token_seconds_bucket[5m])))", "needs le"),
        ("slm:up * slm:workload_memory_bytes", "never match"),
        ("slm:up and on (workload) slm:workload_memory_bytes", "one side has"),
        ('{__name__=~"haproxy_(backend|nobody)_current_queue"}', "haproxy_nobody_current_queue"),
        ('rate({__name__=~"slm_onnx_(prompt|generated)_tokens_total"}[5m])', "cannot be told apart"),
        ("sum by (", "not PromQL"),
    ],
)
def test_the_checker_finds(query: str, complaint: str, metrics: Metrics) -> None:
    with pytest.raises(QueryError, match=re.escape(complaint)):
        labels_of(query, metrics)


def test_thresholds_are_on_edges_that_vllm_and_our_server_both_have() -> None:
    first = ("vllm:time_to_first_token_seconds_bucket", "slm_onnx_time_to_first_token_seconds_bucket")
    between = ("vllm:inter_token_latency_seconds_bucket", "slm_onnx_inter_token_seconds_bucket")
    for names, edges in ((first, FIRST_TOKEN_EDGES), (between, TOKEN_EDGES)):
        for name in names:
            seen = captured().names[name]["le"]
            assert seen is not None
            assert {str(float(edge)) for edge in edges} <= seen, name


def test_every_role_is_either_asked_for_metrics_or_known_not_to_be() -> None:
    assert set(catalog().images) == set(METERED) | UNMETERED


@pytest.mark.parametrize("role", sorted(METERED))
def test_the_version_that_is_built_here_has_a_fixture(role: str) -> None:
    row = catalog().images[role]
    if row.build is None:
        assert role in not_captured(), f"{role} is never built here, and nothing says what its metrics are"
        return
    # An image for GPUs runs the program of the one for CPUs.
    program = role.removesuffix("-cuda")
    fixture = index().get(f"{program}-{row.build_version}")
    assert fixture, (
        f"{role} {row.build_version} has no fixture: its metrics may be other ones than rules and dashboards name."
        " Run it and take them: tests/fixtures/metrics/capture.py"
    )
    assert fixture["job"] == METERED[role]


@pytest.mark.parametrize("role", sorted(METERED))
def test_a_published_version_without_a_fixture_is_named_with_its_reason(role: str) -> None:
    row = catalog().images[role]
    version = (row.tag or "").removeprefix("v")
    if row.tag is None or version == row.build_version:
        assert role not in not_captured(), f"{role} has a fixture of the published version: take its row out"
        return
    known = not_captured().get(role)
    assert known, f"{role} {row.tag} has no fixture and not-captured.toml does not say why"
    assert known["tag"] == row.tag, f"{role} is {row.tag} now: look at its metrics, then write it down"
    assert len(known["reason"]) > 10


def test_fixtures_say_where_they_come_from_and_how_to_take_them_again() -> None:
    files = {path.stem for path in (PROJECT / "tests" / "fixtures" / "metrics").glob("*.prom")}
    assert files == set(index())
    for stem, row in index().items():
        assert stem == f"{row['program']}-{row['version']}"
        assert row["job"] in METERED.values()
        assert len(row["how"]) > 20
        assert row["series"] > 0


def test_a_fixture_tells_nothing_of_the_machine_it_was_taken_on() -> None:
    for path in (PROJECT / "tests" / "fixtures" / "metrics").glob("*.prom"):
        text = path.read_text()
        assert reduced(text)[0] == text, f"{path.name} is not as capture.py writes it"
        # A bucket's edge is a number, however long.
        for value in re.findall(r'(?<!le)="([^"]*)"', text):
            digests = [word for word in re.findall(r"[0-9a-f]{12,}", value) if re.search("[a-f]", word)]
            assert not digests, f"{path.name}: {value}"
            assert not re.search(r"/(home|root|work|tmp)/", value), f"{path.name}: {value}"


def test_every_alert_has_a_page_that_says_what_it_means_what_to_look_at_and_what_to_do() -> None:
    pages: dict[str, list[Alert]] = {}
    for alert in alerts():
        pages.setdefault(alert.page, []).append(alert)
    assert set(pages) == {f"docs/runbooks/{path.name}" for path in RUNBOOKS.glob("*.md") if path.stem != "README"}
    for page, told in pages.items():
        text = (PROJECT / page).read_text()
        for heading in ("## What it means\n", "## What to look at\n", "## What to do\n"):
            before, _, after = text.partition(heading)
            assert before, page
            assert len(after.strip()) > 10, f"{page} says nothing under {heading}"
        listed = ", ".join(f"`{alert.name}` ({alert.severity})" for alert in told)
        assert f"\nAlerts: {listed}\n" in text, f"{page} does not list {listed}"


def test_links_between_runbooks_lead_somewhere() -> None:
    for path in RUNBOOKS.glob("*.md"):
        for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
            assert (RUNBOOKS / link).exists(), f"{path.name} links to {link}"


def test_names_of_alerts_are_used_once_and_there_are_enough_of_them() -> None:
    names = [alert.name for alert in alerts()]
    assert len(names) == len(set(names))
    assert len(names) >= 25
    assert {rule.name for group in alert_groups() for rule in group.rules} == set(names)
