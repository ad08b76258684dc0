"""Monitoring as Pulumi sees it: one component, networks of its own, agents with what they may see and no more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.program.conftest import IMAGES, Run
from tests.program.recorder import Recorder

pytestmark = pytest.mark.program

ROLES = ("alertmanager", "blackbox", "cadvisor", "collector", "loki", "node-exporter", "ollama-exporter", "prometheus")
PARTS = (*ROLES, "engine-api")


def ran(run_program: Run, **monitoring: Any) -> Recorder:
    config = {
        "slm:monitoring": json.dumps({"target": "laptop", **monitoring}),
        "slm:images": json.dumps({**IMAGES, **{role: "sha256:" + "d" * 64 for role in ROLES}}),
        "slm:left_out": json.dumps(["grafana"]),
    }
    return run_program(config=config)


def networks(recorder: Recorder, name: str) -> set[str]:
    joined = recorder.inputs[f"{name}-container"]["networksAdvanced"]
    return {network["name"].removeprefix("slm-dev-") for network in joined}


def test_it_is_a_component_and_a_stack_that_says_nothing_of_it_has_none(run_program: Run) -> None:
    recorder = ran(run_program)
    made = {s.name.removesuffix("-container") for s in recorder.seen if s.name.endswith("-container")}
    assert made == {*PARTS, "chat", "gateway"}
    parents = {s.parent_type for s in recorder.seen if s.name in {f"{part}-container" for part in PARTS}}
    assert parents == {"slm:monitoring:prometheus"}
    without = run_program()
    assert not [name for name in without.inputs if name.startswith(PARTS) or name == "laptop-monitoring"]


def test_control_09_no_part_is_published(run_program: Run) -> None:
    recorder = ran(run_program)
    assert [part for part in PARTS if recorder.inputs[f"{part}-container"].get("ports")] == []


def test_control_10_each_part_is_where_it_must_be_and_nowhere_else(run_program: Run) -> None:
    recorder = ran(run_program)
    assert {part: networks(recorder, part) for part in PARTS} == {
        "alertmanager": {"monitoring"},
        "blackbox": {"internal", "monitoring"},
        "cadvisor": {"monitoring", "engine-api"},
        "collector": {"monitoring"},
        "engine-api": {"engine-api"},
        "loki": {"monitoring"},
        "node-exporter": {"monitoring"},
        "ollama-exporter": {"internal", "monitoring"},
        "prometheus": {"internal", "monitoring"},
    }
    assert networks(recorder, "chat") == {"internal"}
    for network in ("monitoring", "engine-api"):
        assert recorder.inputs[f"laptop-{network}"]["internal"] is True


def test_control_10_only_what_sends_alerts_gets_a_way_out(run_program: Run) -> None:
    hook = {"ops": {"kind": "webhook", "url": "http://alarm.example.org:8080/in"}}
    recorder = ran(run_program, receivers=hook)
    assert {part for part in PARTS if "egress" in networks(recorder, part)} == {"alertmanager"}


def test_control_11_agents_mount_named_paths_for_reading_only(run_program: Run) -> None:
    recorder = ran(run_program)
    mounted: dict[str, set[str]] = {}
    for name, inputs in recorder.inputs.items():
        for volume in inputs.get("volumes") or [] if name.endswith("-container") else []:
            if path := volume.get("hostPath"):
                assert volume["readOnly"] is True, (name, path)
                mounted.setdefault(name.removesuffix("-container"), set()).add(path)
    assert mounted == {
        "cadvisor": {"/sys/fs/cgroup", "/var/lib/docker/image/overlay2/layerdb/mounts"},
        "collector": {"/var/lib/docker/containers"},
        "engine-api": {"/var/run/docker.sock"},
    }


def test_control_01_root_without_any_capability_is_only_who_reads_what_is_roots(run_program: Run) -> None:
    recorder = ran(run_program)
    made = {part: recorder.inputs[f"{part}-container"] for part in PARTS}
    assert {part for part, inputs in made.items() if inputs["user"] == "0:0"} == {"collector", "engine-api"}
    assert all(inputs["capabilities"]["drops"] == ["ALL"] and inputs["readOnly"] for inputs in made.values())


def test_control_67_figures_and_logs_survive_a_teardown(run_program: Run) -> None:
    recorder = ran(run_program)
    kept = {s.name for s in recorder.seen if s.options.retain_on_delete}
    assert {f"{part}-data-volume" for part in ("prometheus", "loki", "alertmanager", "collector")} <= kept
