"""One drill: a fault, the alert it must raise, and what those who ask meanwhile may see."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from pydantic import Field

from components.workload import Value
from ops.drill.scene import Scene

Act = Callable[[Scene], AbstractContextManager[None]]


def always(_scene: Scene) -> str | None:
    """A drill that every stack can have."""
    return None


@dataclass(frozen=True)
class Drill:
    """A fault that `act` causes for as long as its block lasts.

    `alerts`: one of these must fire within `within` seconds, and none of them any more `calm` seconds after the end;
    empty: no alert must come while the fault lasts, which then is `hold` seconds. `may_see` are the statuses that those
    who ask may get from its beginning to its end, `longest` the seconds an answer may take. `left_out` says why the
    drill cannot be had here, None where it can. `stands_for` is told where the fault itself cannot be caused: what
    stands for it. `locks_itself`: it changes the stack by a command of its own.
    """

    name: str
    fault: str
    act: Act
    alerts: tuple[str, ...] = ()
    may_see: frozenset[int] = frozenset({200})
    longest: float = 15
    within: float = 120
    calm: float = 240
    hold: float = 15
    left_out: Callable[[Scene], str | None] = always
    stands_for: str = ""
    locks_itself: bool = False


class Result(Value):
    """What came of a drill. Seconds are from the fault's beginning to the alert, and from its end to the alert's end
    and to the next good answer; `alert_waits` is how long the alert waits as described, beyond what a drill takes.

    `held` is None for a drill that was left out, and `problems` says what was not as it should be.
    """

    name: str
    fault: str
    alert: str = ""
    held: bool | None = None
    alert_seconds: float | None = None
    alert_waits: int | None = None
    calm_seconds: float | None = None
    good_again_seconds: float | None = None
    seen: dict[str, int] = Field(default_factory=dict)
    slowest_seconds: float | None = None
    problems: tuple[str, ...] = ()
    note: str = ""
