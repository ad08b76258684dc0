"""What is asked before production is taken down: its name, and a fresh backup of what it keeps."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from components.settings import Settings, load
from components.webui import WebUi
from ops.backup import file as backup_file
from ops.backup.parts import parts
from ops.errors import UserError
from ops.guard import confirm, teardown
from ops.machine import Machine

pytestmark = pytest.mark.unit

PROJECT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def quiet() -> Console:
    return Console(file=io.StringIO(), width=300)


def said(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def keeping(**changes: Any) -> Settings:
    """A stack of production on one Docker engine, with monitoring that keeps figures and logs."""
    settings = load("dev", PROJECT)
    assert parts(settings), "it keeps nothing: these tests would check nothing"
    return settings.model_copy(update={"environment": "prod", **changes})


def keeping_nothing() -> Settings:
    return load("dev", PROJECT).model_copy(update={"environment": "prod", "monitoring": None, "webui": None})


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine("site", tmp_path)


def saved(machine: Machine, made: datetime, *, stack: str = "site", without: str = "") -> Path:
    """A backup of that moment which can be read to its end."""
    folder = machine.project / ".slm/backups/site"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"backup-{made:%Y%m%d-%H%M%S}.zip"
    with backup_file.writing(file, stack, made.isoformat(timespec="seconds")) as writer:
        for part in parts(keeping()):
            if part.name != without:
                writer.add(part.name, part.version, [b"data"])
    return file


def test_control_68_a_stack_that_keeps_nothing_takes_its_name_alone(machine: Machine) -> None:
    doing = teardown.allow(machine, keeping_nothing(), quiet(), lambda: "site\n", {})
    assert doing == "make down STACK=site"


def test_outside_of_production_nothing_is_asked(machine: Machine) -> None:
    settings = keeping(environment="dev")

    def nobody() -> str:
        raise AssertionError("it was asked")

    assert teardown.allow(machine, settings, quiet(), nobody, {}) == "make down STACK=site"


def test_control_68_what_is_kept_and_was_never_saved_stops_it_before_the_name_is_asked(machine: Machine) -> None:
    with pytest.raises(UserError) as refused:
        teardown.allow(machine, keeping(), quiet(), lambda: pytest.fail("the name was asked"), {})
    assert "keeps" in refused.value.what
    assert "figures" in refused.value.what
    assert "nothing was taken down" in refused.value.harm
    assert "make backup STACK=site" in refused.value.fix


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"made": NOW - timedelta(hours=25)}, "25 h old, and 24 h are allowed"),
        ({"made": NOW + timedelta(hours=2)}, "of the future"),
        ({"made": NOW, "stack": "other"}, "is of stack 'other'"),
        ({"made": NOW, "without": "prometheus"}, "does not hold prometheus"),
    ],
)
def test_control_68_a_backup_that_would_not_help_is_none(machine: Machine, made: dict[str, Any], words: str) -> None:
    saved(machine, **made)
    with pytest.raises(UserError, match=words):
        teardown.require_backup(machine, keeping(), NOW)


def test_control_68_a_damaged_backup_is_none(machine: Machine) -> None:
    file = saved(machine, NOW)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(UserError, match="no whole backup"):
        teardown.require_backup(machine, keeping(), NOW)


def test_control_68_a_fresh_and_whole_backup_is_told_with_its_age(machine: Machine) -> None:
    saved(machine, NOW - timedelta(hours=90))
    saved(machine, NOW - timedelta(hours=23))
    assert teardown.require_backup(machine, keeping(), NOW).endswith("is whole and 23 h old")
    with pytest.raises(UserError, match="2 h are allowed"):
        teardown.require_backup(machine, keeping(backup_max_age_hours=2), NOW)


def test_control_68_a_reason_stands_in_for_the_backup_and_is_written_down(machine: Machine) -> None:
    console = quiet()
    doing = teardown.allow(
        machine, keeping(), console, lambda: "site", {"NO_BACKUP": "the site moves,\n all is copied"}
    )
    assert doing == 'make down STACK=site NO_BACKUP="the site moves, all is copied"'
    assert "the site moves" in said(console)
    with machine.lock(doing):
        pass
    assert "the site moves, all is copied" in (machine.project / ".slm/audit.jsonl").read_text()


@pytest.mark.parametrize("reason", ["1", "yes", "x" * 301, "a bell \a rings here"])
def test_what_is_no_reason_is_refused(machine: Machine, reason: str) -> None:
    with pytest.raises(UserError, match="NO_BACKUP"):
        teardown.allow(machine, keeping(), quiet(), lambda: "site", {"NO_BACKUP": reason})


def test_of_a_cluster_that_keeps_data_the_way_out_is_named(tmp_path: Path) -> None:
    settings = load("prod", PROJECT).model_copy(update={"webui": WebUi(target="cloud")})
    with pytest.raises(UserError, match=r"accounts and chats on a cluster.*\n.*\n.*snapshots"):
        teardown.require_backup(Machine("prod", tmp_path), settings, NOW)


def test_production_as_committed_keeps_nothing_that_azure_does_not_keep_itself(tmp_path: Path) -> None:
    assert teardown.require_backup(Machine("prod", tmp_path), load("prod", PROJECT), NOW) == ""


@pytest.mark.parametrize("typed", ["", "\n", "y", "yes\n", "Site", "site2", "dev", "sit"])
def test_control_68_only_the_stacks_own_name_confirms(machine: Machine, typed: str) -> None:
    with pytest.raises(UserError, match="is not the name of stack 'site'"):
        teardown.allow(machine, keeping_nothing(), quiet(), lambda: typed, {})
    with pytest.raises(UserError, match="CONFIRM=site"):
        teardown.allow(machine, keeping_nothing(), quiet(), lambda: "site", {"CONFIRM": typed})


def test_control_68_where_nobody_sits_the_name_comes_in_a_variable(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("site\n"))
    with pytest.raises(UserError, match=r"no terminal.*\n.*\n.*CONFIRM=site"):
        teardown.allow(machine, keeping_nothing(), quiet(), None, {})
    assert teardown.allow(machine, keeping_nothing(), quiet(), None, {"CONFIRM": "site"})


def test_a_host_is_confirmed_by_its_fleets_name_and_no_other_way_round() -> None:
    assert confirm.confirmed("edge.berlin-1\n", "edge.berlin-1")
    assert confirm.confirmed("edge", "edge.berlin-1")
    assert not confirm.confirmed("berlin-1", "edge.berlin-1")
    assert not confirm.confirmed("edge.berlin-1", "edge")
    assert not confirm.confirmed("edge.oslo-1", "edge.berlin-1")
