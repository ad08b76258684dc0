"""Every fault is caused in a real stack, and is seen: by its alert, by those who ask, and by nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.drill.command import DRILLS
from tests.docker import fast_stack, tiny_model
from tests.docker.project import Finished, Project
from tests.docker.test_monitoring import eventually, get, query

# Fifteen faults, each with its alert, its end, and what came of it; and a quarter of an hour of compiling before.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(5400)]

NOT_HERE = {"node-drain"}
PLAYED = [drill.name for drill in DRILLS if drill.name not in NOT_HERE]


@pytest.fixture(scope="module")
def drilled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A stack whose log store takes lines fast enough that a flood is over within minutes."""
    project = fast_stack.declare(tmp_path_factory.mktemp("drilled"), "test-drilled")
    retention = {"logs_days": 1, "logs_gib": 20}
    project.change({"slm:monitoring": {"target": "laptop", "scrape_seconds": 5, "retention": retention}})
    try:
        project.ops("up", timeout=2300).must_succeed()
        body = {"model": tiny_model.NAME, "prompt": "hello", "max_tokens": 1}
        assert project.request("POST", "/v1/completions", next(iter(project.keys().values())), json=body).is_success
        eventually(lambda: query(project, 'slm:up{engine="chat"} == 1'), "an engine that is up", 120)
        yield project
    finally:
        fast_stack.remove(project)


@pytest.fixture(scope="module")
def played(drilled: Project) -> Finished:
    """All drills, as a person has them."""
    return drilled.ops("drill", timeout=4500)


def results(project: Project) -> dict[str, dict[str, Any]]:
    files = sorted((project.folder / ".slm/drills").glob("*.json"))
    assert files
    return {drill["name"]: drill for drill in json.loads(files[-1].read_text())["drills"]}


@pytest.mark.parametrize("name", PLAYED)
def test_the_fault_is_seen_ends_and_leaves_nothing(name: str, drilled: Project, played: Finished) -> None:
    result = results(drilled)[name]
    if result["held"] is None:
        pytest.skip(result["note"])
    assert result["problems"] == [], played.output
    assert result["held"] is True


def test_the_table_names_every_drill_and_the_command_its_outcome(drilled: Project, played: Finished) -> None:
    assert all(drill.name in played.output for drill in DRILLS)
    failed = [name for name, result in results(drilled).items() if result["held"] is False]
    assert (played.code != 0) == bool(failed), played.output


def test_what_cannot_be_had_on_one_machine_is_said(drilled: Project, played: Finished) -> None:
    assert results(drilled)["node-drain"]["held"] is None
    assert "needs a cluster" in results(drilled)["node-drain"]["note"]


def test_prometheus_has_its_own_times_again(drilled: Project, played: Finished) -> None:
    groups = get(drilled, "http://127.0.0.1:9090/api/v1/rules")["data"]["groups"]
    waits = {
        rule["name"]: rule["duration"] for group in groups for rule in group["rules"] if rule["type"] == "alerting"
    }
    assert waits["EngineDown"] == 120
    assert not list((drilled.folder / f".slm/{drilled.stack}").glob("drill-files*"))
    drilled.pulumi("preview", "--expect-no-changes").must_succeed()


def test_an_alert_that_does_not_come_is_a_drill_that_does_not_hold(drilled: Project, played: Finished) -> None:
    """The same command over a checkout in which the drill waits for an alert of another fault."""
    program = drilled.folder / "ops/drill/faults_engine.py"
    text = program.read_text()
    assert '("WorkloadRestarted",), FAILS)' in text
    program.write_text(text.replace('("WorkloadRestarted",), FAILS)', '("GpuHot",), FAILS, within=5)'))
    try:
        done = drilled.ops("drill", "--only", "hub-gone", timeout=600)
    finally:
        program.write_text(text)
    assert done.code == 1
    assert results(drilled)["hub-gone"]["problems"] == ["no alert within 5 s"]


def test_a_drill_that_is_killed_is_put_right_by_the_next(drilled: Project, played: Finished) -> None:
    process = drilled.start("drill", "--only", "freeze")
    chat = drilled.containers()["chat"]

    def paused() -> bool:
        chat.reload()
        return bool(chat.status == "paused")

    eventually(paused, "an engine that stands still", 180)
    process.kill()
    process.wait()
    assert list((drilled.folder / f".slm/{drilled.stack}").glob("drill-files*"))
    drilled.ops("drill", "--only", "egress-denied", timeout=600).must_succeed()
    chat.reload()
    assert chat.status == "running"
    test_prometheus_has_its_own_times_again(drilled, played)


def test_a_drill_there_is_not_is_told(drilled: Project) -> None:
    drilled.ops("drill", "--only", "earthquake").must_fail("no drill 'earthquake'")
    assert Path(drilled.folder / ".slm/audit.jsonl").exists()
