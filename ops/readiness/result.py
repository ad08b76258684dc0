"""What a check of readiness says, and how all of them together end (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from components.workload import Value

State = Literal["pass", "fail", "not applicable", "unknown"]
Group = Literal["security", "reliability", "observability", "cost", "backups", "keys", "versions", "licences"]
STATES: tuple[State, ...] = ("pass", "fail", "not applicable", "unknown")
GROUPS: tuple[Group, ...] = (
    "security", "reliability", "observability", "cost", "backups", "keys", "versions", "licences"
)  # fmt: skip


class Result(Value):
    """One check. `reason` is why it is so; `command` is what shows it, or mends it."""

    group: Group
    name: str
    state: State
    reason: str
    command: str


Said = tuple[State, str]


Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Check(Generic[Subject]):
    """A question to a subject. It answers with a state and a reason, and never passes because something is missing."""

    group: Group
    name: str
    command: str
    ask: Callable[[Subject], Said]

    def result(self, subject: Subject, stack: str) -> Result:
        """The answer. A question that cannot be answered is unknown, with the reason why."""
        try:
            state, reason = self.ask(subject)
        except Exception as error:
            # One check that fails must not hide what the others say.
            state, reason = "unknown", f"it could not be asked: {type(error).__name__}: {_first(error)}"
        command = self.command.format(stack=stack)
        return Result(group=self.group, name=self.name, state=state, reason=reason, command=command)


def _first(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "it says nothing more")


def code(results: Iterable[Result], *, allow_unknown: bool) -> int:
    """The exit code: 1 for what failed, for what nobody knows unless that is allowed, and for no checks."""
    states = [one.state for one in results]
    if not states or "fail" in states:
        return 1
    return 0 if allow_unknown or "unknown" not in states else 1
