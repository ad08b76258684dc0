"""What the pull request is told of its review stack: one Markdown comment and the same as JSON (pure)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from components.settings.review import Review, iso, stack_of
from components.workload import Value

MARKER = "<!-- slm-stacks: review stack -->"
"""The first line of the comment: the workflow looks for it, and edits that comment in place of writing another."""


class Told(Value):
    """How a review stack is. `endpoint` is None, and `failed` says why, where it did not come up."""

    review: Review
    endpoint: str | None = None
    models: tuple[str, ...] = ()
    pages: tuple[tuple[str, str], ...] = ()
    failed: str = ""

    @property
    def stack(self) -> str:
        return stack_of(self.review.pull_request)

    def markdown(self) -> str:
        """The comment."""
        own = self.review
        state = "did not come up" if self.failed else "is up, and its model has answered"
        rows = [("Endpoint", f"`{self.endpoint}`")] if self.endpoint else []
        rows += [("Models", ", ".join(f"`{model}`" for model in self.models))] if self.models else []
        rows += [(name, f"`{url}`") for name, url in self.pages]
        rows += [("Key", f"`make key STACK={self.stack}` on the machine that deployed it; it is never shown here")]
        rows += [("Made from", f"`Pulumi.{own.base}.yaml`"), ("Owner", f"`{own.owner}`")]
        rows += [("Removed", f"when the pull request is closed, at the latest after {_minute(iso(own.expires))}")]
        lines = [MARKER, f"### Review stack `{self.stack}` {state}", "", "| | |", "|---|---|"]
        lines += [f"| {name} | {value} |" for name, value in rows]
        if self.failed:
            lines += ["", "```text", *self.failed.replace("```", "'''").splitlines(), "```"]
        return "\n".join(lines) + "\n"

    def data(self) -> str:
        """The same for programs."""
        document = {
            "stack": self.stack,
            "up": not self.failed,
            "endpoint": self.endpoint,
            "models": list(self.models),
            "pages": dict(self.pages),
            "failed": self.failed,
            **self.review.told(),
        }
        return json.dumps(document, indent=2, sort_keys=True) + "\n"

    def write(self, file: Path) -> None:
        """Write the comment to `file`, and the data beside it with the ending .json."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.markdown(), encoding="utf-8")
        file.with_suffix(".json").write_text(self.data(), encoding="utf-8")


def gone(pull_request: int, removed: bool, lines: Sequence[str]) -> str:
    """The comment once the stack was removed, or was to be; `lines` are what a person must still do."""
    head = "is removed" if removed else "could not be removed whole"
    body = [MARKER, f"### Review stack `{stack_of(pull_request)}` {head}"]
    if lines:
        body += ["", "Somebody has to:", "", *(f"- {line}" for line in lines)]
    return "\n".join(body) + "\n"


def _minute(moment: str) -> str:
    return f"{moment[:10]} {moment[11:16]} UTC"
