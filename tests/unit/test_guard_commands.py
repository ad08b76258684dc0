"""The commands ask before they do: a fleet once for all its hosts, a restored state by its stack's name."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from components.settings import load_fleet
from ops import down
from ops.errors import UserError
from ops.fleet.command import FleetCommand
from ops.fleet.runs import Runs
from ops.machine import Machine
from ops.pulumi_cli import Pulumi
from ops.state import backup as state_backup
from ops.state import command as state_command

pytestmark = pytest.mark.unit

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the committed stack files; standard input is no terminal."""
    for name in ("Pulumi.yaml", "Pulumi.edge.yaml", "Pulumi.prod.yaml"):
        shutil.copy(PROJECT / name, tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO("edge\n"))
    monkeypatch.delenv("CONFIRM", raising=False)
    return tmp_path


def quiet() -> Console:
    return Console(file=io.StringIO(), width=300)


@pytest.fixture
def asked(project: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The variables each host's command was started with, for every time hosts were gone over."""
    found: list[dict[str, Any]] = []

    def all_(_self: Runs, hosts: tuple[str, ...], *_: str, said: str, environment: dict[str, Any]) -> list[Any]:
        found.append(environment)
        return [SimpleNamespace(host=host, code=0, output="") for host in hosts]

    monkeypatch.setattr(Runs, "all", all_)
    monkeypatch.setattr("ops.fleet.command.Machine", lambda stack: Machine(stack, project))
    return found


def take_down(project: Path) -> None:
    fleet = load_fleet("edge", project)
    assert fleet
    FleetCommand("edge", fleet, quiet()).down(purge=False, force=False)


def test_control_68_a_fleet_of_production_is_asked_once_and_each_host_hears_its_own_name(
    project: Path, asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"takes down production on 3 hosts.*no terminal.*\n.*\n.*CONFIRM=edge"):
        take_down(project)
    monkeypatch.setenv("CONFIRM", "prod")
    with pytest.raises(UserError, match="is not the name of stack 'edge'"):
        take_down(project)
    assert asked == []
    monkeypatch.setenv("CONFIRM", "edge")
    take_down(project)
    (variables,) = asked
    assert variables == {host: {"CONFIRM": f"edge.{host}"} for host in ("berlin-1", "berlin-2", "oslo-1")}


def test_control_68_a_host_that_is_gone_is_not_forgotten_without_its_name(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine("edge.berlin-1", project)
    machine.record({"model": "phi4-mini"})
    monkeypatch.setattr(down, "Machine", lambda _: machine)

    def nobody(_: object) -> None:
        raise UserError("the host does not answer")

    monkeypatch.setattr("ops.docker_client.of", nobody)
    with pytest.raises(UserError, match="forgets a host of production"):
        down.run("edge.berlin-1", False, quiet(), force=True)


def test_a_state_of_production_is_replaced_only_after_its_name_was_typed(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine("prod", project)
    monkeypatch.setattr(state_command, "Machine", lambda _: machine)
    put: list[Any] = []
    monkeypatch.setattr(state_backup, "put_back", lambda *given: put.append(given))
    monkeypatch.setattr("ops.recovery.release_lock", lambda *_: None)
    with pytest.raises(UserError, match="replaces what Pulumi knows of production"):
        state_command.restore("prod", None, quiet())
    with pytest.raises(UserError, match="is not the name"):
        state_command.restore("prod", None, quiet(), lambda: "yes")
    assert put == []
    state_command.restore("prod", None, quiet(), lambda: "prod\n")
    assert len(put) == 1


def test_where_there_is_no_state_to_save_it_says_so(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE_FILE", raising=False)
    machine = Machine("edge.oslo-1", project)
    monkeypatch.setattr(state_command, "Machine", lambda _: machine)
    with pytest.raises(UserError, match=r"has no state with resources.*\n.*\n.*make state-restore STACK=edge.oslo-1"):
        state_command.backup("edge.oslo-1", None, quiet())
    assert not (machine.directory / "passphrase").exists()
    assert Pulumi(Machine("prod", project)).can_open(), "a vault needs no passphrase"
    assert not Pulumi(machine).can_open()
