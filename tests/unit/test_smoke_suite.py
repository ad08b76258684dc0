"""All checks of a stack: which models are asked, what the tables say, and when the command fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
from rich.console import Console

from components.engines.base import Capability
from components.settings import Settings, load
from ops.errors import UserError
from ops.smoke import suite
from ops.smoke.api import Api
from ops.smoke.checks import CHECKS, Check, Finding, Result
from ops.smoke.subjects import Subject, subjects
from ops.smoke.table import shown, title

pytestmark = pytest.mark.unit

PROJECT = Path(__file__).resolve().parents[2]
ALL = frozenset(get_args(Capability))
INSTRUCT = Subject("chat", "ollama", "qwen", frozenset({"chat", "tools", "code"}), 494_032_768, 4096, ALL)
BASE = Subject("text", "vllm", "gemma", frozenset(), None, None, ALL)


def settings() -> Settings:
    """The stack with every engine."""
    return load("engines", PROJECT, {})


def printed(*results: Result, subject: Subject = INSTRUCT) -> str:
    console = Console(width=160, record=True, quiet=False, file=None)
    with console.capture() as captured:
        console.print(shown(subject, results))
    return captured.get()


def test_the_table_says_what_counted_and_what_came() -> None:
    text = printed(
        Result("arithmetic", "pass", "content", "80"),
        Result("tool call", "fail", "content", "no call: [red]I cannot"),
        Result("streaming", "not supported", "protocol", "x has no streaming"),
    )
    for words in ("arithmetic", "content", "pass", "no call: [red]I cannot", "not supported"):
        assert words in text


def test_the_title_says_what_is_known_of_the_model() -> None:
    assert title(INSTRUCT) == "qwen on ollama (0.49B; chat, code, tools)"
    assert title(BASE) == "gemma on vllm (size not known; base model)"


def expected(subject: Subject) -> set[str]:
    """The checks whose content must be right."""
    return {check.name for check in CHECKS if check.content(subject)}


def test_half_a_billion_parameters_are_up_to_two_checks_and_more_to_four() -> None:
    assert expected(INSTRUCT) == {"arithmetic", "tool call"}
    large = Subject("chat", "vllm", "phi", frozenset({"chat", "tools", "code"}), 3_800_000_000, 4096, ALL)
    assert expected(large) == {"arithmetic", "reasoning", "code that runs", "tool call"}


def test_a_base_or_a_tiny_model_is_held_to_form_alone() -> None:
    tiny = Subject("chat", "ollama", "always-80", frozenset({"chat"}), 1_000_000, 1024, ALL)
    assert expected(tiny) == set()
    assert expected(BASE) == set()


def test_every_model_of_a_stack_is_asked_under_its_own_name() -> None:
    found = subjects(settings())
    assert [(s.engine, s.kind) for s in found] == [(name, engine.kind) for name, engine in settings().engines.items()]
    for subject in found:
        engine = settings().hosted[subject.engine]
        assert subject.model == engine.served_name
        assert subject.context == engine.context_length
        assert subject.capabilities == engine.capabilities


def run(monkeypatch: pytest.MonkeyPatch, *checks: Check) -> None:
    monkeypatch.setattr(suite, "CHECKS", checks)
    nobody: Any = None
    suite.run(settings(), "dev", Api("http://127.0.0.1:9/v1", "key"), nobody, Console(quiet=True))


def test_one_failed_check_fails_the_command_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(right: bool) -> Any:
        return lambda *_: Finding(right, "said so")

    good, bad = Check("good", ask(True), content=lambda _: True), Check("bad", ask(False), content=lambda _: True)
    run(monkeypatch, good)
    with pytest.raises(UserError, match=r"4 checks failed:\n  qwen-ollama \(ollama\), bad: said so") as raised:
        run(monkeypatch, good, bad)
    assert "good" not in str(raised.value)


def test_code_of_a_stack_without_python_is_not_called_right() -> None:
    nobody: Any = None
    assert "not run" in suite.run_code(nobody, None, "def fibonacci(n): return n")
    assert "no Python code" in suite.run_code(nobody, "image", "I cannot.")
