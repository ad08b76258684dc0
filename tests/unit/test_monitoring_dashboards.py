"""Every query of every panel names what exists, and every page is what Grafana's own library reads back."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from components.monitoring.dashboards import Page, Panel, Query, dashboard_files, pages
from components.monitoring.dashboards.model import WIDTH, Row, Step
from components.monitoring.rules import alerts
from tests.unit.monitoring_rules_fixtures import recorded
from tests.unit.monitoring_rules_queries import Metrics, labels_of
from tests.unit.monitoring_rules_samples import FACTS

pytestmark = pytest.mark.unit

PROJECT = Path(__file__).resolve().parents[2]
SOURCES = {"prometheus", "loki"}
PANELS = [(page, panel) for page in pages() for panel in page.panels]
QUERIES = [(page, panel, query) for page, panel in PANELS for query in panel.queries if not panel.logs]
IDS = [f"{page.uid}: {panel.title}: {number}" for number, (page, panel, _) in enumerate(QUERIES)]


@pytest.fixture(scope="module")
def metrics() -> Metrics:
    return recorded(FACTS)


@pytest.fixture(scope="module")
def documents() -> dict[str, dict[str, Any]]:
    return {file.name: json.loads(file.content) for file in dashboard_files()}


def as_prometheus_gets_it(expr: str) -> str:
    """The query with Grafana's own words replaced as Grafana does."""
    return re.sub(r"\$__(rate_interval|range|interval)", "5m", expr)


@pytest.mark.parametrize(("page", "panel", "query"), QUERIES, ids=IDS)
def test_a_panels_query_names_what_exists_and_its_legend_labels_it_has(
    page: Page, panel: Panel, query: Query, metrics: Metrics
) -> None:
    labels = labels_of(as_prometheus_gets_it(query.expr), metrics)
    assert set(re.findall(r"{{(\w+)}}", query.legend)) <= labels
    chosen = set(re.findall(r"\$(\w+)", as_prometheus_gets_it(query.expr)))
    assert chosen <= {choice.name for choice in page.choices}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.uid)
def test_the_choices_of_a_page_are_values_of_a_label_that_exists(page: Page, metrics: Metrics) -> None:
    for choice in page.choices:
        assert choice.label in labels_of(choice.series, metrics)
        assert any(f"${choice.name}" in query.expr for panel in page.panels for query in panel.queries), choice.name


def test_there_is_a_page_for_everything_a_stack_has() -> None:
    assert [page.uid for page in pages()] == [
        "slm-overview",
        "slm-comparison",
        "slm-engine",
        "slm-gateway",
        "slm-gpu",
        "slm-host",
        "slm-cost",
        "slm-logs",
        "slm-monitoring",
        "slm-forwarding",
    ]


def test_grafanas_library_reads_every_page_back_without_a_difference(documents: dict[str, dict[str, Any]]) -> None:
    register_default_plugins()
    for name, document in documents.items():
        again = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(document)))
        assert again == document, name


def flat(document: dict[str, Any]) -> list[dict[str, Any]]:
    """All panels of a page, those of closed rows and the rows themselves included."""
    return [p for panel in document["panels"] for p in (panel, *panel.get("panels", []))]


def test_panels_have_ids_of_their_own_and_do_not_lie_on_each_other(documents: dict[str, dict[str, Any]]) -> None:
    for name, document in documents.items():
        panels = flat(document)
        assert len({panel["id"] for panel in panels}) == len(panels), name
        for panel in panels:
            assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= WIDTH, panel["title"]
        for one, other in combinations((panel["gridPos"] for panel in panels), 2):
            apart = (
                one["x"] + one["w"] <= other["x"]
                or other["x"] + other["w"] <= one["x"]
                or one["y"] + one["h"] <= other["y"]
                or other["y"] + other["h"] <= one["y"]
            )
            assert apart, f"{name}: {one} and {other}"


def test_every_panel_asks_a_source_that_is_provisioned(documents: dict[str, dict[str, Any]]) -> None:
    for name, document in documents.items():
        for panel in flat(document):
            if panel["type"] in ("row", "text"):
                continue
            named = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
            assert {source["uid"] for source in named} <= SOURCES, f"{name}: {panel['title']}"
            references = [target["refId"] for target in panel["targets"]]
            assert len(references) == len(set(references))


@pytest.mark.parametrize(("page", "panel"), PANELS, ids=[f"{page.uid}: {panel.title}" for page, panel in PANELS])
def test_a_panel_has_a_unit_and_names_runbooks_that_exist(page: Page, panel: Panel) -> None:
    for name in panel.runbooks:
        assert (PROJECT / "docs" / "runbooks" / f"{name}.md").exists(), name
    assert panel.description.startswith(panel.about)
    assert panel.shape in ("text", "logs", "table", "stat") or panel.unit != "none"
    values = [step.value for step in panel.steps[1:]]
    assert values == sorted(values, key=lambda value: value or 0)


def test_every_alert_about_an_engine_or_the_gateway_is_reached_from_a_panel() -> None:
    """Whoever is called by an alert finds its figures on a page."""
    shown = {name for _, panel in PANELS for name in panel.runbooks}
    pages_of = {(alert.runbook or alert.name) for alert in alerts()}
    # What these are about is a state, not a figure that moves.
    without = {
        "AlertsDoNotArrive", "CertificateExpires", "EngineCopiesMissing", "GatewayDown", "GatewayKeyTableNearlyFull",
        "InodesNearlyUsed", "ModelNotLoaded", "PrometheusConfigurationRefused", "PrometheusStorageFails", "Watchdog",
        "WorkloadDiffers", "WorkloadMissing",
    }  # fmt: skip
    assert pages_of - shown <= without
    assert without <= pages_of


def test_pages_are_small_enough_to_be_mounted_as_files() -> None:
    """A cluster keeps all files of a workload in one object of at most one MiB."""
    assert sum(len(file.content.encode()) for file in dashboard_files()) < 400_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": "Without", "about": "It has no query at all."},
        {"title": "Text", "about": "It has a query.", "shape": "text", "queries": [{"expr": "up"}]},
        {"title": "Steps", "about": "Its first step has a value.", "queries": [{"expr": "up"}],
         "steps": [Step(color="red", value=1)]},
        {"title": "Unit", "about": "A unit nobody knows.", "queries": [{"expr": "up"}], "unit": "furlongs"},
        {"title": "Runbook", "about": "A page with a path.", "queries": [{"expr": "up"}], "runbooks": ["../x"]},
    ],
)  # fmt: skip
def test_a_panel_that_shows_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"panel '|validation error"):
        Panel.model_validate(wrong)


def test_a_page_has_at_least_one_row() -> None:
    with pytest.raises(ValueError, match="at least 1 item"):
        Page(uid="slm-empty", title="Empty", about="Nothing on it.", rows=())
    with pytest.raises(ValueError, match="at least 1 item"):
        Row(title="Empty", panels=())
