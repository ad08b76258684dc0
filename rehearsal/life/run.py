"""One Pulumi command that has ended, as its own event log tells it (pure but for reading the log)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

UNHANDLED = "Program failed with an unhandled exception"
"""Stands above the traceback of a program that did not tell what is wrong in a sentence. That of a program which Pulumi
itself interrupts, because a resource has failed, has no such line.
"""

UNCHANGED = ("same", "read", "refresh")


@dataclass(frozen=True)
class Step:
    """What the engine did or would do with one resource. `kind` is the type's token, `fields` what differs."""

    op: str
    kind: str
    name: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """`changes` counts steps by what they do, `errors` are the messages a user reads, both as the engine gave them."""

    command: str
    code: int
    output: str
    seconds: float
    steps: tuple[Step, ...] = ()
    changes: dict[str, int] = field(default_factory=dict)
    errors: tuple[str, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Whether its exit code was 0."""
        return self.code == 0

    def changed(self, kind: str = "") -> list[Step]:
        """Steps that change something, of the resources whose type's token holds `kind`."""
        return [step for step in self.steps if step.op not in UNCHANGED and kind in step.kind]

    @property
    def told(self) -> str:
        """What was done and how long it took, in a few words."""
        done = ", ".join(f"{count} {op}" for op, count in self.changes.items()) or "nothing"
        return f"{done}; {self.seconds:.0f} s"

    def tail(self, lines: int = 20) -> list[str]:
        """Its last lines, empty ones left out."""
        return [line.rstrip() for line in self.output.splitlines() if line.strip()][-lines:]

    def message(self) -> str:
        """The first error in one line, without the program's stack of calls."""
        texts = [" ".join(text.split()) for text in self.errors]
        told = [text for text in texts if text and not text.startswith(("update failed", "preview failed"))]
        return (told or texts or [""])[0]


def read(command: str, code: int, output: str, seconds: float, log: Path) -> Run:
    """A command's run from its exit code, its output and its event log; the log may be missing, as with `state`."""
    events = list(_events(log))
    summary: dict[str, int] = {}
    for event in events:
        summary = event.get("summaryEvent", {}).get("resourceChanges", summary)
    return Run(
        command=command,
        code=code,
        output=output,
        seconds=seconds,
        steps=tuple(_steps(events)),
        changes={op: count for op, count in sorted((summary or {}).items()) if count},
        errors=tuple(dict.fromkeys(_errors(events))),
    )


def _events(log: Path) -> Iterator[dict[str, Any]]:
    if not log.exists():
        return
    for line in log.read_text().splitlines():
        if line.strip():
            yield json.loads(line)


def _steps(events: list[dict[str, Any]]) -> Iterator[Step]:
    for event in events:
        metadata = event.get("resourcePreEvent", {}).get("metadata")
        if metadata:
            fields = tuple(sorted(metadata.get("detailedDiff") or metadata.get("diffs") or ()))
            yield Step(metadata["op"], metadata["type"], metadata["urn"].rpartition("::")[2], fields)


def _errors(events: list[dict[str, Any]]) -> Iterator[str]:
    for event in events:
        told = event.get("diagnosticEvent", {})
        if told.get("severity") == "error" and not told.get("ephemeral"):
            yield _plain(told["message"]).strip()


def _plain(text: str) -> str:
    """The text without the engine's marks of colour, `<{%fg 1%}>`."""
    while (start := text.find("<{%")) >= 0 and (end := text.find("%}>", start)) >= 0:
        text = text[:start] + text[end + 3 :]
    return text
