"""Every query of every rule, panel and runbook is asked of a real Prometheus or Loki that watches a real stack."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from components.monitoring.dashboards import Page, pages
from components.monitoring.rules import alerts
from tests.docker.monitored import get
from tests.docker.project import Project
from tests.panels import QUIET_PAGES, Watched, empty

# The stack of all engines takes ten minutes on a busy machine, and where nothing is cached a quarter of an hour more.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(3600)]

RUNBOOKS = Path(__file__).resolve().parents[2] / "docs" / "runbooks"

KINDS = {name: name for name in ("ollama", "llamacpp", "onnx", "vllm")}
FADES = 120
"""Seconds after which the engines are asked again: what was asked five minutes ago is in no rate any more."""


def traffic(project: Project, models: list[str]) -> None:
    """Some answers, streamed and whole, and a refusal."""
    key = next(iter(project.keys().values()))
    for model in models:
        for stream in (True, False, True):
            body = {"model": model, "prompt": "The capital of France is", "max_tokens": 12, "stream": stream}
            assert project.request("POST", "/v1/completions", key, json=body).status_code == 200
    assert project.request("GET", "/v1/models", "x" * 40).status_code == 401


@pytest.fixture(scope="module")
def keep_asking(engines: Project) -> Callable[[], None]:
    """Asks the engines when that was last done long ago."""
    last = float("-inf")

    def ask() -> None:
        nonlocal last
        if time.monotonic() - last > FADES:
            traffic(engines, [f"qwen-{name}" for name in KINDS])
            last = time.monotonic()

    return ask


def settled(watched: Watched, keep_asking: Callable[[], None], seconds: float = 600) -> None:
    """Wait until each engine is up, its requests have a rate, and every rule has been evaluated twice."""
    end = time.monotonic() + seconds
    expr = "count(slm:up == 1) and on () count(sum by (engine) (slm:requests:rate5m) > 0)"
    while [v["value"][1] for v in watched.prometheus(expr)] != [str(len(watched.kinds))]:
        assert time.monotonic() < end, watched.prometheus("slm:requests:rate5m")
        time.sleep(3)
        keep_asking()
    time.sleep(75)  # The group of objectives is evaluated each minute.


@pytest.fixture(scope="module")
def watched(engines: Project, keep_asking: Callable[[], None]) -> Watched:
    """The stack of all engines, once each has been asked and its figures have settled."""
    traffic(engines, [f"qwen-{name}" for name in KINDS])
    engines.ops("backup").must_succeed()  # One panel says when the last was.
    keep_asking()
    watched = Watched(partial(get, engines), KINDS)
    settled(watched, keep_asking)
    return watched


@pytest.mark.parametrize("page", [p for p in pages() if p.uid not in QUIET_PAGES], ids=lambda page: page.uid)
def test_every_panel_shows_something(watched: Watched, page: Page, keep_asking: Callable[[], None]) -> None:
    keep_asking()
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
    """What was described is what runs: an alert about a difference would be pending at once, and stay."""
    # Of this machine itself: how full its disk is, and whether anybody sets its clock.
    machine = {"Watchdog", "DiskNearlyFull", "DiskFillsSoon", "HostClockUnset", "HostMemoryLow", "HostClockWrong"}
    # A deployment is a start, and these machines are busy.
    machine |= {"WorkloadRestarted", "WorkloadThrottled", "TokensSlow", "MemoryAbovePrediction", "PublicPathSlow"}
    machine |= {"FirstTokenBudgetBurnFast", "FirstTokenBudgetBurnSlow"}

    def named() -> set[str]:
        return {found["metric"]["alertname"] for found in watched.prometheus("ALERTS")}

    # For five minutes rates still tell of the backup, which stopped each store for a while, and of a target that was
    # slow once.
    end = time.monotonic() + 420
    while named() - machine and time.monotonic() < end:
        time.sleep(5)
    assert named() - machine == set()
    assert "Watchdog" in named()


def test_prometheus_evaluates_every_alert(watched: Watched) -> None:
    for alert in alerts():
        watched.prometheus(alert.expr)
