"""What of a running deployment a person sees."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from ops.deployment import Watch

pytestmark = pytest.mark.unit


def shown(tmp_path: Path, *, lines: tuple[str, ...] = (), events: tuple[object, ...] = ()) -> tuple[str, Watch]:
    console = Console(file=io.StringIO(), width=200)
    watch = Watch(console, tmp_path / "progress.jsonl")
    for line in lines:
        watch.line(line)
    with watch.watching():
        told = [event if isinstance(event, str) else json.dumps(event) for event in events]
        (tmp_path / "progress.jsonl").write_text(
            "".join(json.dumps({"job": "chat-fetch", "line": line}) + "\n" for line in told)
        )
    return console.file.getvalue(), watch  # type: ignore[attr-defined]


def test_finished_steps_are_shown_and_begun_ones_are_not(tmp_path: Path) -> None:
    text, _ = shown(
        tmp_path,
        lines=(
            " +  docker:index:Network laptop-internal creating (0s)",
            " +  docker:index:Network laptop-internal created (2s)",
            " ~  docker:index:Network laptop-internal refreshing (0s)",
            " -  docker:index:Container chat-container deleted (1s)",
            " +  slm:engine:ollama chat created (0s)",
            "Diagnostics: created",
        ),
    )
    assert text.split("\n") == [
        "  + docker:index:Network laptop-internal created (2s)",
        "  - docker:index:Container chat-container deleted (1s)",
        "",
        "",
    ]


def test_a_service_that_is_waited_for_is_named(tmp_path: Path) -> None:
    text, _ = shown(tmp_path, lines=(" +  docker:index:Container chat-container creating (0s)",))
    assert "chat-container: waiting until it is healthy" in text


def test_the_source_that_served_is_said_and_remembered(tmp_path: Path) -> None:
    done = {"event": "done", "source": "package", "sha256": "a" * 64, "bytes": 1, "seconds": 1}
    text, watch = shown(tmp_path, events=(done,))
    assert "weights from package, sha256 aaaaaaaaaaaa" in text
    assert watch.served == {"chat-fetch": "package"}


def test_weights_that_were_there_do_not_change_what_is_recorded(tmp_path: Path) -> None:
    text, watch = shown(tmp_path, events=({"event": "present", "sha256": "a" * 64, "bytes": 1},))
    assert "in the volume already" in text
    assert watch.served == {}


def test_progress_without_a_terminal_is_a_line_now_and_then(tmp_path: Path) -> None:
    events = tuple({"event": "progress", "what": "fetch", "source": "hub", "done": n, "total": 9} for n in range(10))
    text, _ = shown(tmp_path, events=events)
    assert text.count("fetch from hub") == 2, "the first and the last"
