"""What the sweeper says at its end: a table for people, Markdown for an issue, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.table import Table

from components.settings.review import iso
from ops.sweep.remove import Outcome
from ops.sweep.verdict import Verdict

MARKER = "<!-- slm-stacks: sweep of review stacks -->"
WORDS = {"due": "goes", "kept": "stays", "protected": "protected", "other": "not looked at"}


class Report:
    """One run over a backend: verdicts, and outcomes by stack where it was not a dry run."""

    def __init__(
        self, backend: str, at: datetime, verdicts: Sequence[Verdict], outcomes: Mapping[str, Outcome] | None
    ) -> None:
        # What stands behind the question mark may be a credential.
        self.backend, self.at = backend.partition("?")[0], at
        self.verdicts, self.outcomes = verdicts, outcomes

    @property
    def exit_code(self) -> int:
        """1 when a person must do something."""
        return 1 if any(outcome.todo for outcome in (self.outcomes or {}).values()) else 0

    def _came_of(self, verdict: Verdict) -> str:
        outcome = (self.outcomes or {}).get(verdict.stack.name)
        if outcome is None:
            return "would go" if verdict.kind == "due" else WORDS[verdict.kind]
        return f"removed in {outcome.seconds:.0f} s" if outcome.removed else "NOT removed"

    def table(self) -> Table:
        """Every stack of the backend, a row each."""
        table = Table(title=f"stacks of {self.backend}")
        for heading in ("stack", "owner", "resources", "expires", "what of it", "why"):
            table.add_column(heading, overflow="fold")
        for verdict in self.verdicts:
            own = verdict.stack
            resources = "?" if own.resources is None else str(own.resources)
            table.add_row(
                own.name,
                own.owner,
                resources,
                iso(own.expires)[:16] if own.expires else "",
                self._came_of(verdict),
                verdict.why,
            )
        return table

    def lines(self) -> list[str]:
        """What was done and what is to be done, for each stack that was to go."""
        lines = []
        for name, outcome in (self.outcomes or {}).items():
            lines += [f"{name}: {text}" for text in outcome.did]
            lines += [f"{name}: TO DO {text}" for text in outcome.todo]
        return lines

    def markdown(self) -> str:
        """For an issue or a summary."""
        rows = [f"| `{v.stack.name}` | {v.stack.owner or ''} | {self._came_of(v)} | {v.why} |" for v in self.verdicts]
        head = [f"### Review stacks, {iso(self.at)}", "", "| stack | owner | what of it | why |", "|---|---|---|---|"]
        todo = [f"- `{name}`: {text}" for name, outcome in (self.outcomes or {}).items() for text in outcome.todo]
        return "\n".join([MARKER, *head, *rows, *(["", "Somebody has to:", "", *todo] if todo else [])]) + "\n"

    def data(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "at": iso(self.at),
            "backend": self.backend,
            "dry_run": self.outcomes is None,
            "stacks": [
                {
                    **verdict.stack.model_dump(mode="json", exclude_none=True),
                    "verdict": verdict.kind,
                    "why": verdict.why,
                    **self._outcome(verdict.stack.name),
                }
                for verdict in self.verdicts
            ],
        }

    def _outcome(self, name: str) -> dict[str, Any]:
        outcome = (self.outcomes or {}).get(name)
        if outcome is None:
            return {}
        return {"removed": outcome.removed, "did": outcome.did, "todo": outcome.todo, "seconds": outcome.seconds}

    def write(self, file: Path) -> None:
        """Write Markdown to `file`, and the data beside it with the ending .json."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.markdown(), encoding="utf-8")
        file.with_suffix(".json").write_text(json.dumps(self.data(), indent=2) + "\n", encoding="utf-8")
