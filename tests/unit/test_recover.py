"""What a person is told of locks, of steps that were cut off, and of what was changed by hand."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ops import recovery
from ops.previewed import Preview
from ops.recovery import Lock, Operation
from ops.recovery import command as recover

pytestmark = pytest.mark.unit


def pulumi(folder: Path, **deployment: Any) -> Any:
    return SimpleNamespace(
        machine=SimpleNamespace(stack="dev"),
        environment=lambda: {"PULUMI_BACKEND_URL": f"file://{folder}"},
        check=lambda *_: json.dumps({"deployment": deployment or None}),
    )


def locked(folder: Path, name: str, content: str) -> None:
    place = folder / ".pulumi/locks/organization/slm/dev"
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{name}.json").write_text(content)


def test_a_lock_says_by_whom_since_when_and_whether_it_is_at_work(tmp_path: Path) -> None:
    here = {
        "pid": os.getpid(),
        "username": "ada",
        "hostname": socket.gethostname(),
        "timestamp": "2026-11-27T09:00:00Z",
    }
    locked(tmp_path, "a", json.dumps(here))
    locked(tmp_path, "b", json.dumps({**here, "hostname": "ci-runner", "pid": 7}))
    for name, content in {"c": "{", "d": "{}", "e": "[]", "f": '{"pid": "x"}'}.items():
        locked(tmp_path, name, content)
    dead, elsewhere = recovery.locks(pulumi(tmp_path)) or ()
    who = f"ada on {socket.gethostname()}, process {os.getpid()}, since 2026-11-27T09:00:00Z"
    assert recover.lock_in_words(dead) == f"locked by {who}: that process is dead"
    assert "ci-runner" in recover.lock_in_words(elsewhere)
    assert "can only be seen there" in recover.lock_in_words(elsewhere)
    alive = Lock(1, "h", "ada", "now", here=True, alive=True)
    assert recover.lock_in_words(alive).endswith("it is at work")


def test_of_a_state_elsewhere_it_says_that_nobody_can_look() -> None:
    away = SimpleNamespace(environment=lambda: {"PULUMI_BACKEND_URL": "azblob://state"})
    assert recovery.locks(away) is None  # type: ignore[arg-type]
    assert "not on this machine" in recover.lock_in_words(None)


@pytest.mark.parametrize("doing", recover.MAY_HAVE_LEFT)
def test_every_step_that_was_cut_off_says_what_it_may_have_left(tmp_path: Path, doing: str) -> None:
    urn = "urn:pulumi:dev::slm::slm:x:y$docker:index/volume:Volume::a::b"
    resource = {"type": "docker:index/volume:Volume", "urn": urn}
    (one,) = recovery.operations(pulumi(tmp_path, pending_operations=[{"type": doing, "resource": resource}]))
    assert one == Operation(doing, "docker:index/volume:Volume", "a::b")
    assert recover.operation_in_words(one).startswith(f"cut off while {doing} a::b (docker:index/volume:Volume): ")
    assert recover.MAY_HAVE_LEFT[doing] in recover.operation_in_words(one)


def test_a_step_of_a_kind_nobody_knows_is_told_as_unknown(tmp_path: Path) -> None:
    assert "not known" in recover.operation_in_words(Operation("frobbing", "t", "n"))
    assert recovery.operations(pulumi(tmp_path)) == []


def test_drift_is_what_is_gone_and_what_was_changed() -> None:
    steps = [{"op": op, "urn": f"urn:pulumi:d::slm::t:i:T::{op}"} for op in ("refresh", "delete", "update", "same")]
    gone, changed = recover.drift_of(Preview.model_validate({"steps": steps}))
    assert ([s.name for s in gone], [s.name for s in changed]) == (["delete"], ["update"])
