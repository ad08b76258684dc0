"""Audit notes reach the stack's log store once each, and no command fails or waits for long because of them."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.monitoring import loki
from components.monitoring.settings import Retention
from components.settings import Settings, load
from ops import inside
from ops.audit import notes as audit
from ops.audit import shipping as audit_shipping
from ops.audit.shipping import BATCH_BYTES, PATIENCE, PUSH, deliver
from ops.errors import UserError
from ops.inside import Refused, Unreachable
from ops.machine import PROJECT, STATE_DIRECTORY, Machine
from tests.unit.settings_base import BASE

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 27, 5, 0, tzinfo=UTC)
DAYS = 7


class Loki:
    """A log store that takes what it is given, or answers with an error."""

    def __init__(self) -> None:
        self.taken: list[tuple[dict[str, str], str, str]] = []
        self.posts = 0
        self.error: UserError | None = None

    def __call__(self, _settings: Settings, _stack: str, seconds: int) -> Loki:
        assert seconds <= 5
        return self

    def get(self, url: str) -> str:
        raise AssertionError(url)

    def post(self, url: str, body: str) -> str:
        assert url == PUSH == "http://loki:3100/loki/api/v1/push"
        self.posts += 1
        if self.error:
            raise self.error
        for stream in json.loads(body)["streams"]:
            self.taken += [(stream["stream"], at, line) for at, line in stream["values"]]
        return ""

    @property
    def lines(self) -> list[str]:
        return [line for _, _, line in self.taken]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine("dev", tmp_path)
    assert machine.directory.exists()
    return machine


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load("dev", PROJECT)


def note(machine: Machine, at: datetime = NOW, stack: str = "dev", **more: Any) -> str:
    """Write a note as the command of that moment would have; its line."""
    line = json.dumps({"time": at.isoformat(), "who": "ada", "stack": stack, "did": "make up", **more})
    with (machine.project / STATE_DIRECTORY / audit.FILE).open("a") as file:
        file.write(line + "\n")
    return line


def sent(machine: Machine, settings: Settings, store: Loki, clock: Any = lambda: 0.0) -> list[str]:
    return list(deliver(machine, settings, DAYS, store, lambda: NOW, clock))


def test_each_note_is_sent_once_with_its_own_time_and_the_labels_of_other_lines(
    machine: Machine, settings: Settings
) -> None:
    store = Loki()
    first = note(machine, NOW - timedelta(milliseconds=1500))
    note(machine, stack="other")
    assert sent(machine, settings, store) == []
    [(labels, at, line)] = store.taken
    assert line == first
    assert datetime.fromtimestamp(int(at) / 1e9, UTC) == NOW - timedelta(milliseconds=1500)
    assert len(at) == 19, "nanoseconds"
    assert set(loki.LABELS) < set(labels), "what lines are looked up by"
    assert (labels["workload"], labels["stream"]) == ("audit", "file")
    assert sent(machine, settings, store) == []
    second = note(machine)
    assert sent(machine, settings, store) == []
    assert store.lines == [first, second]
    assert store.posts == 2, "nobody is asked when there is nothing to send"


def test_what_was_noted_while_the_store_was_away_is_sent_later(machine: Machine, settings: Settings) -> None:
    store = Loki()
    store.error = Unreachable("there is no container", fix="make up")
    lines = [note(machine)]
    [sentence] = sent(machine, settings, store)
    assert sentence == "notes that wait in .slm/audit.jsonl for the log store: 1 (there is no container)"
    lines.append(note(machine))
    store.error = None
    assert sent(machine, settings, store) == []
    assert store.lines == lines


def test_what_is_older_than_the_store_takes_is_left_out_and_counted(machine: Machine, settings: Settings) -> None:
    store = Loki()
    note(machine, NOW - timedelta(days=DAYS, seconds=1))
    young = note(machine, NOW - timedelta(days=DAYS - 1))
    assert sent(machine, settings, store) == [
        "notes that stay in .slm/audit.jsonl alone, since the log store takes none that is 7 days old: 1"
    ]
    assert store.lines == [young]
    assert sent(machine, settings, store) == [], "it is said once"


def test_the_store_takes_what_it_would_keep_and_nothing_older() -> None:
    limits = yaml.safe_load(loki.configuration(Retention(logs_days=30)))["limits_config"]
    assert limits["reject_old_samples_max_age"] == limits["retention_period"] == "720h"


def test_what_the_store_refuses_is_told_and_not_sent_for_ever(machine: Machine, settings: Settings) -> None:
    store = Loki()
    store.error = Refused("HTTP/1.1 400 Bad Request", fix="none")
    note(machine)
    assert sent(machine, settings, store) == [
        "notes of which the log store did not take all: 1 (HTTP/1.1 400 Bad Request)"
    ]
    store.error = None
    assert sent(machine, settings, store) == []
    assert store.taken == []


def test_many_notes_go_in_parts_and_each_part_is_remembered(machine: Machine, settings: Settings) -> None:
    store = Loki()
    lines = [note(machine, NOW + timedelta(seconds=n), did=f"make up {n}") for n in range(300)]
    moments = iter([0.0, 0.0, 1.0, PATIENCE + 1.0])
    [sentence] = sent(machine, settings, store, lambda: next(moments))
    assert store.posts == 2
    assert sentence.startswith("notes that go to the log store with the next command")
    assert sentence.endswith(f": {300 - len(store.lines)}")
    assert all(len(line) < BATCH_BYTES for line in store.lines)
    assert sent(machine, settings, store) == []
    assert store.lines == lines, "each once, in their order"


def test_a_part_that_fails_is_sent_again_and_those_before_are_not(machine: Machine, settings: Settings) -> None:
    class Failing(Loki):
        def post(self, url: str, body: str) -> str:
            if self.posts == 1:
                self.posts += 1
                raise Unreachable("gone", fix="wait")
            return super().post(url, body)

    store = Failing()
    lines = [note(machine, did=f"make up {n}") for n in range(100)]
    assert "notes that wait" in sent(machine, settings, store)[0]
    assert sent(machine, settings, store) == []
    assert store.lines == lines


def test_a_line_that_is_still_being_written_waits_and_what_is_no_note_is_said(
    machine: Machine, settings: Settings
) -> None:
    store = Loki()
    file = machine.project / STATE_DIRECTORY / audit.FILE
    first = note(machine)
    with file.open("a") as out:
        out.write("not json\n[]\n" + json.dumps({"stack": "dev", "time": "yesterday"}) + "\n" + first[:10])
    assert sent(machine, settings, store) == ["lines of .slm/audit.jsonl that are no notes and stay there: 3"]
    with file.open("a") as out:
        out.write(first[10:] + "\n")
    assert sent(machine, settings, store) == []
    assert store.lines == [first, first]


def test_a_file_that_began_anew_is_read_from_its_beginning(machine: Machine, settings: Settings) -> None:
    store = Loki()
    note(machine, did="make something long")
    sent(machine, settings, store)
    (machine.project / STATE_DIRECTORY / audit.FILE).unlink()
    again = note(machine)
    sent(machine, settings, store)
    assert store.lines[1:] == [again]


def test_how_far_it_came_is_private_and_a_purged_stack_stays_purged(machine: Machine, settings: Settings) -> None:
    note(machine)
    sent(machine, settings, Loki())
    position = machine.directory / audit_shipping.POSITION
    assert stat.S_IMODE(position.stat().st_mode) == 0o600
    position.unlink()
    folder = machine.directory
    for left in folder.iterdir():
        left.unlink()
    folder.rmdir()
    store = Loki()
    sent(machine, settings, store)
    assert len(store.lines) == 1
    assert not folder.exists()


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Machine, Loki]:
    """A stack with monitoring, whose store is reached as commands reach it."""
    monitored = {**BASE, "slm:monitoring": {"target": "laptop"}}
    (tmp_path / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": monitored}))
    store = Loki()
    monkeypatch.setattr(inside, "of", store)
    return Machine("dev", tmp_path), store


def outcomes(store: Loki) -> list[str]:
    return [json.loads(line)["outcome"] for line in store.lines]


def test_control_64_a_command_that_changes_a_stack_is_in_its_log_store_and_no_secret(
    deployed: tuple[Machine, Loki], capsys: pytest.CaptureFixture[str]
) -> None:
    machine, store = deployed
    with machine.lock("make up STACK=dev"):
        assert store.lines == [], "sent once, when it is over"
    with pytest.raises(UserError), machine.lock("make restore STACK=dev"):
        raise UserError("the secret is hunter2", fix="none")
    with pytest.raises(KeyboardInterrupt), machine.lock("make backup STACK=dev"):
        raise KeyboardInterrupt
    assert outcomes(store) == ["begun", "done", "begun", "failed: UserError"], "who interrupts does not want to wait"
    with machine.lock("make up STACK=dev"):
        pass
    assert outcomes(store)[4:] == ["begun", "interrupted", "begun", "done"]
    assert "hunter2" not in str(store.taken)
    allowed = {"time", "who", "process", "stack", "did", "outcome", "seconds"}
    assert {name for line in store.lines for name in json.loads(line)} == allowed
    assert capsys.readouterr() == ("", "")


def test_no_command_fails_because_its_notes_could_not_be_sent(
    deployed: tuple[Machine, Loki], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, store = deployed
    store.error = UserError("the engine does not answer", fix="start it")
    with machine.lock("make up STACK=dev"):
        pass
    assert (
        "notes that wait in .slm/audit.jsonl for the log store: 2 (the engine does not answer)"
        in capsys.readouterr().err
    )
    monkeypatch.setattr(store, "post", lambda *_: 1 / 0)
    with machine.lock("make up STACK=dev"):
        pass
    assert "ZeroDivisionError" in capsys.readouterr().err
    (machine.project / "Pulumi.dev.yaml").unlink()
    with machine.lock("make up STACK=dev"):
        pass
    assert "notes wait" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["none", "azure"])
def test_a_stack_without_a_log_store_of_its_own_has_nothing_to_send_and_nothing_to_say(
    deployed: tuple[Machine, Loki], capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    machine, store = deployed
    if kind == "none":
        (machine.project / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": BASE}))
    else:
        (machine.project / "Pulumi.prod.yaml").write_text((PROJECT / "Pulumi.prod.yaml").read_text())
        machine = Machine("prod", machine.project)
    with machine.lock("make up"):
        pass
    assert store.posts == 0
    assert capsys.readouterr() == ("", "")


def test_an_answer_that_a_part_refuses_what_it_was_given_is_told_from_one_that_it_is_away() -> None:
    class Runs:
        def __init__(self, said: str) -> None:
            self.said = said

        def run(self, _command: list[str], _seconds: float) -> tuple[int, str, str]:
            return 1, "", self.said

    for said, kind in (
        ("wget: server returned error: HTTP/1.1 400 Bad Request", Refused),
        ("wget: server returned error: HTTP/1.1 503 Service Unavailable", Unreachable),
        ("wget: server returned error: HTTP/1.1 429 Too Many Requests", Unreachable),
        ("wget: can't connect to remote host (172.18.4.100): Connection refused", Unreachable),
    ):
        with pytest.raises(Unreachable) as found:
            inside.Wget(Runs(said), "dev").post(PUSH, "{}")
        assert type(found.value) is kind, said
