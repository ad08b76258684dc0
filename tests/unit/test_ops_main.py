"""How a command ends: a person's mistake is a message and a code, never a traceback."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

import pytest

import ops.__main__ as program
from ops.errors import UserError

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["ops", *arguments])
    return program.main()


def failing_up(monkeypatch: pytest.MonkeyPatch, error: BaseException, *arguments: str) -> int:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("ops.up.run", fail)
    return run(monkeypatch, "up", *arguments)


def test_a_persons_mistake_is_code_1_and_its_own_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing_up(monkeypatch, UserError("[red]port 8080 is taken[/red]", fix="free it")) == 1
    shown = capsys.readouterr().err
    assert "[red]port 8080 is taken[/red]" in shown, "what a message says is no markup"
    assert "fix:  free it" in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize("error", [KeyboardInterrupt()], ids=["ctrl-c"])
def test_an_interrupt_is_code_130_and_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    assert failing_up(monkeypatch, error) == 130
    assert "run the same command again" in capsys.readouterr().err


def test_our_own_defects_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        failing_up(monkeypatch, ZeroDivisionError())


def test_a_mistyped_option_is_code_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "up", "--stcak", "dev") == 2
    assert "--stcak" in capsys.readouterr().err


def test_a_plan_that_is_not_there_or_has_no_place_stops_a_command_before_anything_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing_up(monkeypatch, AssertionError("it began"), "--plan", "/nowhere/plan.json") == 2
    assert "/nowhere/plan.json" in capsys.readouterr().err
    assert run(monkeypatch, "preview", "--plan", "/nowhere/plan.json") == 1
    assert "there is no folder /nowhere" in capsys.readouterr().err


def test_checking_a_stack_that_may_not_be_deployed_is_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "check", "--stack", "nowhere") == 1
    for stack in ("dev", "edge", "edge.berlin-1"):
        assert run(monkeypatch, "check", "--stack", stack) == 0


def test_a_command_about_one_stack_names_a_host_when_it_is_given_a_fleet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "key", "--stack", "edge") == 1
    assert "STACK=edge.berlin-1" in capsys.readouterr().err


def test_a_choice_of_hosts_that_no_host_has_is_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOSTS", "site=paris")
    assert run(monkeypatch, "check", "--stack", "edge") == 1
    assert "use one of: berlin, oslo" in capsys.readouterr().err


def test_a_polite_kill_is_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.up.run", lambda *_: signal.raise_signal(signal.SIGTERM))
    assert run(monkeypatch, "up") == 130
