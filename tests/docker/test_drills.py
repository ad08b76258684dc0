"""Some faults are caused in a real stack, and are seen: by their alerts, by those who ask, and by nobody else.

All of them take a quarter of an hour: that is `make drill`, whose seconds are in docs/monitoring.md. Here one of each
sort is played: an engine that dies, one that stands still, a target of Prometheus, a change that locks the stack by
itself and that nobody is to be called for, and one that this machine has not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.drill.command import DRILLS
from tests.docker import fast_stack, tiny_model
from tests.docker.monitored import eventually, get, query
from tests.docker.project import Finished, Project

# Where no image registry answers and nothing is cached, a quarter of an hour goes into compiling.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(2400)]

PLAYED = ("kill", "freeze", "target-refuses", "key-rotation")
NOT_HERE = "node-drain"
NEEDS_ROOT = {"kill"}


@pytest.fixture(scope="module")
def drilled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A stack with monitoring that answers."""
    project = fast_stack.declare(tmp_path_factory.mktemp("drilled"), "test-drilled")
    project.change({"slm:monitoring": {"target": "laptop", "scrape_seconds": 5}})
    try:
        project.ops("up", timeout=2300).must_succeed()
        body = {"model": tiny_model.NAME, "prompt": "hello", "max_tokens": 1}
        assert project.request("POST", "/v1/completions", next(iter(project.keys().values())), json=body).is_success
        eventually(lambda: query(project, 'slm:up{engine="chat"} == 1'), "an engine that is up")
        yield project
    finally:
        fast_stack.remove(project)


@pytest.fixture(scope="module")
def played(drilled: Project) -> Finished:
    """The drills, as a person has them."""
    return drilled.ops("drill", "--only", ",".join((*PLAYED, NOT_HERE)), timeout=1500)


def results(project: Project) -> dict[str, dict[str, Any]]:
    files = sorted((project.folder / ".slm/drills").glob("*.json"))
    assert files
    return {drill["name"]: drill for drill in json.loads(files[-1].read_text())["drills"]}


@pytest.mark.parametrize("name", PLAYED)
def test_the_fault_is_seen_ends_and_leaves_nothing(name: str, drilled: Project, played: Finished) -> None:
    result = results(drilled)[name]
    assert result["problems"] == [], played.output
    if name in NEEDS_ROOT and os.geteuid() != 0:
        assert (result["held"], result["note"]) == (None, "needs root on the machine of the Docker engine")
        return
    assert result["held"] is True
    [drill] = [drill for drill in DRILLS if drill.name == name]
    assert bool(drill.alerts) == (result["alert_seconds"] is not None)
    assert sum(result["seen"].values()) > 5, "somebody asked all the while"


def test_the_table_names_every_drill_and_the_command_its_outcome(drilled: Project, played: Finished) -> None:
    assert all(name in played.output for name in (*PLAYED, NOT_HERE))
    assert set(results(drilled)) == {*PLAYED, NOT_HERE}
    played.must_succeed()


def test_what_cannot_be_had_on_one_machine_is_said(drilled: Project, played: Finished) -> None:
    assert results(drilled)[NOT_HERE]["held"] is None
    assert "needs a cluster" in results(drilled)[NOT_HERE]["note"]


def test_prometheus_has_its_own_times_again(drilled: Project, played: Finished) -> None:
    groups = get(drilled, "http://127.0.0.1:9090/api/v1/rules")["data"]["groups"]
    waits = {
        rule["name"]: rule["duration"] for group in groups for rule in group["rules"] if rule["type"] == "alerting"
    }
    assert waits["EngineDown"] == 120
    assert not list((drilled.folder / f".slm/{drilled.stack}").glob("drill-files*"))
    drilled.pulumi("preview", "--expect-no-changes").must_succeed()


def test_after_a_rotation_monitoring_tells_of_the_new_key_alone(drilled: Project, played: Finished) -> None:
    def told() -> set[str]:
        return {found["metric"]["key"] for found in query(drilled, "slm:key_age_seconds < 3600")}

    assert list(drilled.keys()) == ["key-2"]
    eventually(lambda: told() == {"key-2"}, "the age of the key that was made in a drill, and of no other")


def test_an_alert_that_does_not_come_is_a_drill_that_does_not_hold(drilled: Project, played: Finished) -> None:
    """The same command over a checkout in which the drill waits for an alert of another fault."""
    program = drilled.folder / "ops/drill/faults_around.py"
    text = program.read_text()
    expected = '("TargetDown",),\n        stands_for'
    assert text.count(expected) == 1
    program.write_text(text.replace(expected, '("GpuHot",),\n        within=5,\n        stands_for'))
    try:
        done = drilled.ops("drill", "--only", "target-refuses", timeout=600)
    finally:
        program.write_text(text)
    assert done.code == 1
    assert results(drilled)["target-refuses"]["problems"] == ["no alert within 5 s"]


def test_a_drill_that_is_killed_is_put_right_by_the_next(drilled: Project, played: Finished) -> None:
    chat = drilled.containers()["chat"]

    def paused() -> bool:
        chat.reload()
        return bool(chat.status == "paused")

    with drilled.start("drill", "--only", "freeze") as process:
        eventually(paused, "an engine that stands still", 180)
        process.kill()
    assert list((drilled.folder / f".slm/{drilled.stack}").glob("drill-files*"))
    drilled.ops("drill", "--only", "egress-denied", timeout=600).must_succeed()
    chat.reload()
    assert chat.status == "running"
    test_prometheus_has_its_own_times_again(drilled, played)


def test_a_drill_there_is_not_is_told(drilled: Project) -> None:
    drilled.ops("drill", "--only", "earthquake").must_fail("no drill 'earthquake'")
    assert Path(drilled.folder / ".slm/audit.jsonl").exists()
