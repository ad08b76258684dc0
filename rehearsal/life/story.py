"""Which acts are played, in which order, and what came of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ops.errors import UserError
from rehearsal.control_plane import ControlPlaneError
from rehearsal.control_plane.api import Refused
from rehearsal.life.stage import Act, Failed, Needs, Stage
from rehearsal.life.world import World
from tools.errors import ToolError

Outcome = Literal["passed", "failed", "not played"]


@dataclass(frozen=True)
class Played:
    """An act's row in the report. `why` and `seen` say why it failed, or why it was not played."""

    name: str
    title: str
    proves: str
    outcome: Outcome
    seconds: float = 0.0
    facts: tuple[tuple[str, str], ...] = ()
    why: str = ""
    seen: tuple[str, ...] = ()


@dataclass
class Timeline:
    """Everything that was played, in order."""

    played: list[Played] = field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        """Whether every act was played and passed."""
        return bool(self.played) and all(one.outcome == "passed" for one in self.played)

    @property
    def seconds(self) -> float:
        """All of them together."""
        return sum(one.seconds for one in self.played)


def chosen(acts: Sequence[Act], *, short: bool, only: str = "") -> list[Act]:
    """The acts to play. Raises ToolError for a name that is none of them."""
    if only:
        names = [act.name for act in acts]
        if only not in names:
            raise ToolError(f"there is no step '{only}'", harm="nothing was started", fix=f"one of {', '.join(names)}")
        return with_what_it_needs(acts, next(act for act in acts if act.name == only))
    return [act for act in acts if act.short or not short]


def with_what_it_needs(acts: Sequence[Act], wanted: Act) -> list[Act]:
    """The act, and before it the first ones that bring about what it needs: a running stack, or what is left of one."""
    if wanted.needs is Needs.ZERO:
        return [wanted]
    if wanted.needs is Needs.LEFT:
        torn = next(act for act in acts if act.needs is Needs.RUNNING and not act.leaves)
        return [*with_what_it_needs(acts, torn), wanted]
    return [next(act for act in acts if act.needs is Needs.ZERO and act.leaves), wanted]


def play(
    world: World, acts: Iterable[Act], begun: Callable[[Act], Callable[[str], None]], ended: Callable[[Played], None]
) -> Timeline:
    """Play the acts one after the other. After one that fails nothing is played: what it left behind proves nothing.

    `begun` gives what an act tells a person with, `ended` is told of each result at once.
    """
    timeline, broken, running = Timeline(), "", False
    for act in acts:
        if broken:
            one = Played(act.name, act.title, act.proves, "not played", why=f"{broken} failed")
        else:
            if act.needs is Needs.ZERO and (running or world.cloud.resources()):
                world.fresh()
            one = _one(world, act, begun(act))
            running, broken = act.leaves, act.name if one.outcome == "failed" else ""
        timeline.played.append(one)
        ended(one)
    return timeline


def _one(world: World, act: Act, tell: Callable[[str], None]) -> Played:
    stage = Stage(world, tell)
    began = time.monotonic()
    why = ""
    seen: tuple[str, ...] = ()
    try:
        act.play(stage)
        world.check()
    except Failed as failure:
        why, seen = failure.what, failure.seen
    except (ControlPlaneError, UserError, ToolError, Refused, LookupError) as error:
        why, *rest = str(error).splitlines() or [type(error).__name__]
        seen = tuple(rest)
    return Played(
        act.name,
        act.title,
        act.proves,
        "failed" if why else "passed",
        time.monotonic() - began,
        tuple(stage.facts),
        why,
        tuple(seen),
    )
