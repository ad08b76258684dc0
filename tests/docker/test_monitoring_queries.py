"""Every query of every rule, panel and runbook is asked of a real Prometheus or Loki that watches a real stack."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from components.monitoring.dashboards import Page, Panel, Query, pages
from components.monitoring.rules import alerts
from tests.docker.monitored import get
from tests.docker.project import Project

# The stack of all engines takes ten minutes on a busy machine, and where nothing is cached a quarter of an hour more.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(3600)]

RUNBOOKS = Path(__file__).resolve().parents[2] / "docs" / "runbooks"
QUIET_PAGES = {"slm-gpu"}
"""Pages about what no machine of these tests has."""

UNPRICED = ("slm:usd_per_hour", "slm:cost_per_million_tokens")
"""A machine of one's own has no price."""

OF_KIND = {"vLLM": "vllm", "ONNX Runtime": "onnx", "llama.cpp": "llamacpp", "Ollama": "ollama"}
"""The rows of the engines' page that are about one kind of engine."""

UNTOLD = {
    "ollama": (
        "slm:tokens",
        "slm:ttft_seconds",
        "slm:late_first_tokens",
        "slm:inter_token_seconds",
        "slm:kv_cache_ratio",
        "slm:prefix_cache_hit",
    ),
    "llamacpp": ("slm:ttft_seconds", "slm:late_first_tokens", "slm:inter_token_seconds:p", "slm:kv_cache_ratio"),
    "onnx": (),
    "vllm": (),
}
"""Series that a kind of engine has not got, by how their names begin; the page `slm-comparison` says so to people."""

MAY_HAPPEN = (
    "Alerts that fire",
    "GPUs that do nothing",
    "Keys of unknown age",
    "Notifications",
    "Refusals by key",
    "Requests that failed",
)
"""Panels of what has not happened in these stacks, or happens to nobody by itself."""


class Watched:
    """A stack with monitoring, and what its Prometheus and Loki answer."""

    def __init__(self, project: Project, kinds: dict[str, str]) -> None:
        self.project, self.kinds = project, kinds

    def get(self, url: str) -> Any:
        return get(self.project, url)["data"]["result"]

    def prometheus(self, expr: str) -> list[Any]:
        found: list[Any] = self.get(f"http://127.0.0.1:9090/api/v1/query?query={quote(expr)}")
        return found

    def loki(self, expr: str) -> list[Any]:
        start = int((time.time() - 3600) * 1e9)
        found: list[Any] = self.get(
            f"http://loki:3100/loki/api/v1/query_range?query={quote(expr)}&start={start}&step=60"
        )
        return found

    def ask(self, panel: Panel, query: Query, **chosen: str) -> list[Any]:
        expr = re.sub(r"\$__(rate_interval|range|interval)", "5m", query.expr)
        for name, value in chosen.items():
            expr = expr.replace(f"${name}", value)
        return self.loki(expr) if panel.logs else self.prometheus(expr)


def traffic(project: Project, models: list[str]) -> None:
    """Some answers, streamed and whole, and a refusal."""
    key = next(iter(project.keys().values()))
    for model in models:
        for stream in (True, False, True):
            body = {"model": model, "prompt": "The capital of France is", "max_tokens": 12, "stream": stream}
            assert project.request("POST", "/v1/completions", key, json=body).status_code == 200
    assert project.request("GET", "/v1/models", "x" * 40).status_code == 401


def settled(watched: Watched, seconds: float = 240) -> None:
    """Wait until each engine is up, its requests have a rate, and every rule has been evaluated twice."""
    end = time.monotonic() + seconds
    expr = "count(slm:up == 1) and on () count(sum by (engine) (slm:requests:rate5m) > 0)"
    while [v["value"][1] for v in watched.prometheus(expr)] != [str(len(watched.kinds))]:
        assert time.monotonic() < end, watched.prometheus("slm:requests:rate5m")
        time.sleep(3)
    time.sleep(75)  # The group of objectives is evaluated each minute.


@pytest.fixture(scope="module")
def watched(engines: Project) -> Watched:
    """The stack of all engines, once each has been asked and its figures have settled."""
    kinds = {name: name for name in ("ollama", "llamacpp", "onnx", "vllm")}
    traffic(engines, [f"qwen-{name}" for name in kinds])
    engines.ops("backup").must_succeed()  # One panel says when the last was.
    watched = Watched(engines, kinds)
    settled(watched)
    return watched


def told_by(kind: str, query: Query) -> bool:
    return not any(name in query.expr for name in (*UNTOLD[kind], *UNPRICED))


def empty(watched: Watched, page: Page) -> list[str]:
    """The panels of a page that should show something and do not."""
    found = []
    host = watched.prometheus("node_uname_info")[0]["metric"]["instance"]
    for row in page.rows:
        for panel in row.panels:
            if panel.title in MAY_HAPPEN:
                continue
            for query in panel.queries:
                for engine, kind in watched.kinds.items():
                    if OF_KIND.get(row.title, kind) != kind or not told_by(kind, query):
                        continue
                    if page.uid != "slm-engine" and kind != "vllm":
                        continue  # Pages about all engines are asked once.
                    if not watched.ask(panel, query, engine=engine, host=host, workload="gateway"):
                        found.append(f"{page.title}: {panel.title}: {query.expr} ({engine})")
    return found


@pytest.mark.parametrize("page", [p for p in pages() if p.uid not in QUIET_PAGES], ids=lambda page: page.uid)
def test_every_panel_shows_something(watched: Watched, page: Page) -> None:
    assert empty(watched, page) == []


def test_pages_about_what_a_stack_has_not_are_empty_and_no_error(watched: Watched) -> None:
    for page in pages():
        for panel in page.panels:
            for query in panel.queries:
                watched.ask(panel, query, engine="nobody", host="nobody", workload="nobody")


def test_prometheus_understands_every_query_of_every_runbook(watched: Watched) -> None:
    asked = 0
    for path in RUNBOOKS.glob("*.md"):
        for query in re.findall(r"```promql\n(.*?)```", path.read_text(), flags=re.DOTALL):
            watched.prometheus(query)
            asked += 1
    assert asked > 50


def test_no_alert_is_on_its_way_on_a_stack_that_is_well(watched: Watched) -> None:
    """What was described is what runs: an alert about a difference would be pending at once."""
    # Of this machine itself: how full its disk is, and whether anybody sets its clock.
    machine = {"Watchdog", "DiskNearlyFull", "DiskFillsSoon", "HostClockUnset", "HostMemoryLow", "HostClockWrong"}
    # A deployment is a start, and these machines are busy.
    machine |= {"WorkloadRestarted", "WorkloadThrottled", "TokensSlow", "MemoryAbovePrediction"}
    named = {found["metric"]["alertname"] for found in watched.prometheus("ALERTS")}
    assert named - machine == set()
    assert "Watchdog" in named


def test_prometheus_evaluates_every_alert(watched: Watched) -> None:
    for alert in alerts():
        watched.prometheus(alert.expr)
