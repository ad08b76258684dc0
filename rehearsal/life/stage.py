"""What an act is played on: the world, what it requires of it, and the facts it leaves for the report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from rehearsal.life.run import UNHANDLED, Run
from rehearsal.life.world import World


class Failed(Exception):
    """Something is not as it must be. `what` in a sentence, `seen` the lines that show it."""

    def __init__(self, what: str, seen: Iterable[str] = ()) -> None:
        super().__init__(what)
        self.what, self.seen = what, tuple(seen)


class Needs(Enum):
    """What must be so before an act."""

    ZERO = "an empty subscription"
    RUNNING = "a running stack"
    LEFT = "what a teardown left"


@dataclass(frozen=True)
class Act:
    """One step of the life. What it proves is its function's docstring. `short`: it is in the cut version too.

    `leaves` is whether the stack still runs afterwards.
    """

    name: str
    title: str
    play: Callable[[Stage], None]
    needs: Needs = Needs.RUNNING
    leaves: bool = True
    short: bool = False

    @property
    def proves(self) -> str:
        """What it proves, in one paragraph."""
        return " ".join((self.play.__doc__ or "").split())


@dataclass
class Stage:
    """Handed to an act. `tell` shows a person what happens now."""

    world: World
    tell: Callable[[str], None] = lambda _text: None
    facts: list[tuple[str, str]] = field(default_factory=list)

    def fact(self, label: str, value: object) -> None:
        """Keep a row of the report."""
        self.facts.append((label, str(value)))

    def require(self, holds: object, what: str, seen: Iterable[str] = ()) -> None:
        """Raise Failed, saying `what` is not so, unless it holds."""
        if not holds:
            raise Failed(what, seen)

    def none(self, problems: Iterable[str], what: str) -> None:
        """Raise Failed with all problems when there are any."""
        found = list(problems)
        self.require(not found, what, found)

    def pulumi(self, *arguments: str, doing: str = "", **options: Any) -> Run:
        """Run an engine command that must succeed."""
        run = self._play(arguments, doing, options)
        self.require(run.succeeded, f"pulumi {run.command} failed", run.errors or run.tail())
        return run

    def refused(self, *arguments: str, words: Iterable[str], doing: str = "", **options: Any) -> Run:
        """Run an engine command that must fail, with every one of the words in what a person reads and no traceback."""
        run = self._play(arguments, doing, options)
        self.require(not run.succeeded, f"pulumi {run.command} succeeded, and had to fail", run.tail())
        for word in words:
            self.require(word in run.output, f"what pulumi {run.command} said has no '{word}'", run.tail(40))
        self.require(UNHANDLED not in run.output, f"pulumi {run.command} showed a traceback", run.tail(40))
        return run

    def up(self, *options: str, doing: str = "", **more: Any) -> Run:
        """Deploy, and wait until what was deployed is ready."""
        self.world.prepare_cluster()
        return self.pulumi("up", "--yes", "--skip-preview", *options, doing=doing, **more)

    def up_refused(self, *options: str, words: Iterable[str], doing: str = "", **more: Any) -> Run:
        """A deployment that must fail."""
        self.world.prepare_cluster()
        return self.refused("up", "--yes", "--skip-preview", *options, words=words, doing=doing, **more)

    def bring_back(self, doing: str) -> Run:
        """Deploy over what was changed by hand, after asking Azure and the cluster what that is."""
        run = self.up("--refresh", doing=doing)
        self.fact("brought back by", f"pulumi up --refresh: {run.told}")
        return run

    def unchanged(self, *options: str) -> Run:
        """A preview that must show nothing to do."""
        run = self._play(("preview", *options), "looking whether anything is left to do", {})
        self.require(run.succeeded, f"pulumi {run.command} failed", run.errors or run.tail())
        self.none(
            (f"{step.op} {step.kind} {step.name} {' '.join(step.fields)}" for step in run.changed()),
            f"pulumi {run.command} shows changes where nothing was changed",
        )
        return run

    def change(self, **sections: Any) -> None:
        """Change the stack's description, as an edit of its file would."""
        self.world.overlay.lay(**sections)
        self.world.record()

    @contextmanager
    def trying(self, **sections: Any) -> Iterator[None]:
        """The same until the block ends."""
        before = self.world.overlay.sections
        self.change(**sections)
        try:
            yield
        finally:
            self.world.overlay.sections = before
            self.world.record()

    def _play(self, arguments: tuple[str, ...], doing: str, options: dict[str, Any]) -> Run:
        self.tell(doing or f"pulumi {' '.join(arguments)}")
        self.world.check()
        run = self.world.pulumi.play(*arguments, **options)
        self.world.check()
        return run
