"""The report's two files: Markdown for people, JSON for programs (pure but for writing them)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rehearsal.life.story import Played, Timeline
from rehearsal.report.circumstances import Part

MARK = {"passed": "passed", "failed": "**failed**", "not played": "not played"}


@dataclass(frozen=True)
class Report:
    """What was played, with what, and what came of it. `day` is the date of the rehearsal."""

    stack: str
    day: str
    short: bool
    machine: dict[str, str]
    parts: Sequence[Part]
    timeline: Timeline

    def markdown(self) -> str:
        """The whole page, complete in itself."""
        return "\n".join([*self._head(), *self._timeline(), *self._acts(), *self._world()]) + "\n"

    def data(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "stack": self.stack,
            "day": self.day,
            "short": self.short,
            "succeeded": self.timeline.succeeded,
            "seconds": round(self.timeline.seconds, 1),
            "machine": self.machine,
            "parts": [asdict(part) for part in self.parts],
            "steps": [asdict(one) for one in self.timeline.played],
        }

    def write(self, path: Path) -> Path:
        """Write the page to `path` and the data beside it; the data's path."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.markdown())
        beside = path.with_suffix(".json")
        beside.write_text(json.dumps(self.data(), indent=2) + "\n")
        return beside

    def _head(self) -> list[str]:
        played = self.timeline.played
        passed = sum(one.outcome == "passed" for one in played)
        which = "the short cut" if self.short else "the whole life"
        verdict = "All of it went well." if self.timeline.succeeded else f"It failed: {self._failure()}."
        return [
            f"# Rehearsal of stack `{self.stack}`, {self.day}",
            "",
            f"{passed} of {len(played)} steps passed ({which}), {self.timeline.seconds:.0f} s. {verdict}",
            "",
        ]

    def _failure(self) -> str:
        failed = next((one for one in self.timeline.played if one.outcome == "failed"), None)
        return f"{failed.name}: {failed.why}" if failed else "nothing was played"

    def _timeline(self) -> list[str]:
        rows = [
            f"| {n} | {one.name} | {one.title} | {MARK[one.outcome]} | {one.seconds:.1f} |"
            for n, one in self._counted()
        ]
        return ["## Timeline", "", "| | Step | What happens | Outcome | Seconds |", "|---|---|---|---|---|", *rows, ""]

    def _counted(self) -> list[tuple[int, Played]]:
        return list(enumerate(self.timeline.played, start=1))

    def _acts(self) -> list[str]:
        lines = ["## Steps", ""]
        for number, one in self._counted():
            lines += [f"### {number}. {one.title} (`{one.name}`)", "", one.proves, ""]
            if one.why:
                lines += [f"{MARK[one.outcome]}: {cell(one.why)}", ""]
            if one.seen:
                lines += ["```", *one.seen, "```", ""]
            if one.facts:
                lines += ["| Fact | |", "|---|---|", *(f"| {cell(a)} | {cell(b)} |" for a, b in one.facts), ""]
        return lines

    def _world(self) -> list[str]:
        parts = [f"| {cell(part.name)} | {part.truth} | {cell(part.how)} |" for part in self.parts]
        where = [f"| {cell(name)} | {cell(value)} |" for name, value in self.machine.items()]
        return [
            "## What was real", "", "| Part | | |", "|---|---|---|", *parts, "",
            "## Where", "", "| | |", "|---|---|", *where,
        ]  # fmt: skip


def cell(text: str) -> str:
    """A text that stays inside one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")
