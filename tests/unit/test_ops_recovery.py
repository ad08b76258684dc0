"""What an earlier run or a hand left behind: what is mended, and what is left to its owner."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest
from rich.console import Console

from components.targets.docker.container import TRANSIENT
from ops import recovery
from ops.errors import UserError

pytestmark = pytest.mark.unit
QUIET = Console(quiet=True)


class Thing(SimpleNamespace):
    """A container, network or volume of the engine below."""

    def remove(self, **_: Any) -> None:
        self.engine.things.remove(self)


class Engine:
    """A Docker engine that knows labels, and nothing else."""

    def __init__(self) -> None:
        self.things: list[Thing] = []
        self.containers, self.networks, self.volumes = (
            SimpleNamespace(list=lambda kind=kind, **options: self._list(kind, **options))
            for kind in ("containers", "networks", "volumes")
        )

    def add(self, kind: str, id: str, name: str, *labels: str) -> Thing:
        made = Thing(engine=self, kind=kind, id=id, name=name, labels={"slm.stack=dev", *labels}, status="running")
        self.things.append(made)
        return made

    def _list(self, kind: str, filters: dict[str, Any] | None = None, **_: Any) -> list[Thing]:
        wanted = (filters or {}).get("label", [])
        labels = {wanted} if isinstance(wanted, str) else set(wanted)
        name = (filters or {}).get("name", "")
        return [t for t in self.things if t.kind == kind and labels <= t.labels and name in t.name]

    @property
    def names(self) -> list[str]:
        return [thing.name for thing in self.things]


class Pulumi:
    """Pulumi with a state, which remembers what it was told to do."""

    def __init__(self, folder: Path, resources: list[dict[str, Any]], pending: list[dict[str, Any]]) -> None:
        self.machine = SimpleNamespace(stack="dev")
        self.folder, self.told = folder, []
        self.deployment = {"resources": resources, "pending_operations": [{"resource": r} for r in pending]}

    def environment(self) -> dict[str, str]:
        return {"PULUMI_BACKEND_URL": f"file://{self.folder}"}

    def check(self, *arguments: str) -> str:
        self.told.append(arguments[0])
        if arguments[0] == "refresh":
            self.deployment["pending_operations"] = []
        return json.dumps({"deployment": self.deployment})


def resource(kind: str, id: str, name: str, **inputs: Any) -> dict[str, Any]:
    types = {value: key for key, value in recovery.KINDS.items()}
    return {"type": types[kind], "id": id, "inputs": {"name": name, **inputs}}


def recover(engine: Engine, pulumi: Pulumi) -> list[recovery.Known]:
    return recovery.recover(pulumi, engine, QUIET)  # type: ignore[arg-type]


def lock(folder: Path, pid: int, host: str | None = None) -> Path:
    path = folder / ".pulumi/locks/organization/slm/dev/1.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"pid": pid, "hostname": host or socket.gethostname(), "timestamp": "today"}))
    return path


def test_nothing_is_touched_where_all_is_as_the_state_says(tmp_path: Path) -> None:
    engine = Engine()
    engine.add("containers", "1", "slm-dev-chat")
    pulumi = Pulumi(tmp_path, [resource("containers", "1", "slm-dev-chat")], [])
    known = recover(engine, pulumi)
    assert [item.name for item in known] == ["slm-dev-chat"]
    assert pulumi.told == ["stack"]
    assert engine.names == ["slm-dev-chat"]


def test_what_a_killed_run_made_without_noting_it_down_is_removed(tmp_path: Path) -> None:
    engine = Engine()
    engine.add("containers", "1", "slm-dev-chat")
    engine.add("containers", "2", "slm-dev-gateway")
    engine.add("networks", "3", "slm-dev-internal")
    engine.add("volumes", "v", "slm-dev-weights")
    pending = [
        resource("containers", "", "slm-dev-gateway"),
        resource("networks", "", "slm-dev-internal"),
        resource("volumes", "", "slm-dev-weights"),
    ]
    pulumi = Pulumi(tmp_path, [resource("containers", "1", "slm-dev-chat")], pending)
    recover(engine, pulumi)
    assert engine.names == ["slm-dev-chat", "slm-dev-weights"], "weights are never thrown away"
    assert pulumi.told == ["stack", "refresh", "stack"]


def test_jobs_a_killed_run_left_running_are_removed_with_their_files(tmp_path: Path) -> None:
    engine = Engine()
    engine.add("containers", "9", "slm-dev-chat-fetch", TRANSIENT)
    engine.add("volumes", "f", "slm-dev-chat-fetch-files")
    recover(engine, Pulumi(tmp_path, [], []))
    assert engine.names == []


@pytest.mark.parametrize("answers", [[404], [409, 409, 404], [409, 409]])
def test_a_jobs_files_may_be_removed_by_their_own_command_or_held_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: list[int]
) -> None:
    engine, left = Engine(), list(answers)
    engine.add("containers", "9", "slm-dev-chat-fetch", TRANSIENT)
    volume = engine.add("volumes", "f", "slm-dev-chat-fetch-files")

    def remove(**_: Any) -> None:
        if not left:
            return engine.things.remove(volume)
        said = docker.errors.NotFound if (code := left.pop(0)) == 404 else docker.errors.APIError
        raise said("x", response=SimpleNamespace(status_code=code))

    volume.remove = remove
    monkeypatch.setattr("ops.recovery.containers.time.sleep", lambda _: None)
    recover(engine, Pulumi(tmp_path, [], []))
    assert left == []


def test_files_that_are_held_for_good_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine()
    engine.add("containers", "9", "slm-dev-chat-fetch", TRANSIENT)

    def remove(**_: Any) -> None:
        raise docker.errors.APIError("x", response=SimpleNamespace(status_code=409))

    engine.add("volumes", "f", "slm-dev-chat-fetch-files").remove = remove
    monkeypatch.setattr("ops.recovery.containers.ENDS", 0.0)
    monkeypatch.setattr("ops.recovery.containers.time.sleep", lambda _: None)
    with pytest.raises(docker.errors.APIError):
        recover(engine, Pulumi(tmp_path, [], []))


def test_a_container_that_was_deleted_to_be_replaced_and_came_back_by_a_power_cut_is_removed(tmp_path: Path) -> None:
    engine = Engine()
    engine.add("containers", "1", "slm-dev-chat")
    engine.add("containers", "2", "slm-dev-gateway")
    deleted = resource("containers", "1", "slm-dev-chat") | {"pendingReplacement": True}
    known = recover(engine, Pulumi(tmp_path, [deleted, resource("containers", "2", "slm-dev-gateway")], []))
    assert engine.names == ["slm-dev-gateway"]
    assert [item.name for item in known] == ["slm-dev-gateway"], "it is neither started nor called removed by hand"


def test_containers_of_another_checkout_are_left_alone(tmp_path: Path) -> None:
    engine = Engine()
    engine.add("containers", "2", "slm-dev-gateway")
    with pytest.raises(UserError, match="this checkout did not make: slm-dev-gateway"):
        recover(engine, Pulumi(tmp_path, [], []))
    assert engine.names == ["slm-dev-gateway"]


def test_the_lock_of_a_killed_pulumi_is_taken_away(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    lock(tmp_path, ended.pid)
    pulumi = Pulumi(tmp_path, [], [])
    recover(Engine(), pulumi)
    assert pulumi.told[0] == "cancel"


def test_a_number_that_is_another_program_now_holds_no_lock() -> None:
    assert not recovery.pulumi_runs(os.getpid())


def test_the_lock_of_a_pulumi_that_is_at_work_is_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock(tmp_path, 4711)
    monkeypatch.setattr("ops.recovery.pulumi_locks.pulumi_runs", lambda pid: pid == 4711)
    pulumi = Pulumi(tmp_path, [], [])
    with pytest.raises(UserError, match=r"process 4711, since today(.|\n)*kill -INT 4711"):
        recover(Engine(), pulumi)
    assert pulumi.told == []


def test_the_lock_of_another_machine_is_left_to_pulumi(tmp_path: Path) -> None:
    lock(tmp_path, 1, "elsewhere")
    pulumi = Pulumi(tmp_path, [], [])
    recover(Engine(), pulumi)
    assert "cancel" not in pulumi.told


@pytest.mark.parametrize("kind", ["containers", "networks", "volumes"])
def test_what_was_removed_by_hand_asks_for_a_refresh(tmp_path: Path, kind: str) -> None:
    known = [recovery.Known(kind, "1", "gone", True)]
    assert recovery.repair(Engine(), "dev", known, QUIET) == ["--refresh"]  # type: ignore[arg-type]


def test_a_complete_stack_asks_for_no_refresh() -> None:
    engine = Engine()
    engine.add("networks", "1", "slm-dev-internal")
    assert recovery.repair(engine, "dev", [recovery.Known("networks", "1", "x", False)], QUIET) == []  # type: ignore[arg-type]


def test_jobs_that_nobody_waits_for_are_named_and_removed(tmp_path: Path) -> None:
    engine, pulumi = Engine(), Pulumi(tmp_path, [], [])
    engine.add("containers", "1", "slm-dev-chat")
    engine.add("containers", "2", "slm-dev-chat-fetch", TRANSIENT)
    assert recovery.half_done(engine, "dev") == ["slm-dev-chat-fetch"]  # type: ignore[arg-type]
    recovery.sweep(engine, "dev")  # type: ignore[arg-type]
    assert engine.names == ["slm-dev-chat"]
    assert recovery.half_done(engine, "dev") == []  # type: ignore[arg-type]
    assert pulumi.told == []


def test_steps_are_settled_where_no_docker_engine_is_asked(tmp_path: Path) -> None:
    pulumi = Pulumi(tmp_path, [], [resource("containers", "", "slm-dev-gateway")])
    recovery.settle(pulumi, None)  # type: ignore[arg-type]
    assert pulumi.told == ["refresh"]
