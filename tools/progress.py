"""What is being done, and for how long: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

HEARTBEAT = 30.0
"""Seconds after which a plain display says that a step is still at work."""


def duration(seconds: float) -> str:
    """`7 s`, `3 min 20 s`."""
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


@dataclass
class Step:
    """One thing being done. `note` says what exactly, and may change; `outcome` replaces "done in 3 s" at the end."""

    name: str
    note: str = ""
    outcome: str = ""
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None
    failed: bool = False

    @property
    def seconds(self) -> float:
        """How long it has taken so far, or took."""
        return (self.ended or time.monotonic()) - self.began


class Display:
    """Shows steps as they go on. Threads may each have a step of their own."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self.steps: list[Step] = []
        self._live: Live | None = None
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live = Live(get_renderable=self._table, console=self.console, refresh_per_second=4)
            self._live.start()
        else:
            threading.Thread(target=self._heartbeat, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        if self._live:
            self._live.stop()
            self._live = None

    @contextmanager
    def step(self, name: str, note: str = "") -> Iterator[Step]:
        """Show a step for as long as the block runs."""
        step = Step(name, note)
        self.steps.append(step)
        self._say(f"{name}: {note}" if note else name)
        try:
            yield step
        except BaseException:
            step.failed = True
            raise
        finally:
            step.ended = time.monotonic()
            how = "stopped after" if step.failed else "done in"
            self._say(f"{name}: {step.outcome or f'{how} {duration(step.seconds)}'}")

    def note(self, step: Step, note: str) -> None:
        """Say what the step is at now. Frequent changes (bytes) are fit for a terminal only: set `step.note` then."""
        step.note = note
        self._say(f"{step.name}: {note}")

    def say(self, text: str) -> None:
        """A sentence that stays."""
        self.console.print(text, markup=False, soft_wrap=True)

    def _say(self, text: str) -> None:
        if self._live is None:
            self.say(text)

    def _heartbeat(self) -> None:
        while not self._stop.wait(HEARTBEAT):
            for step in self.steps:
                if step.ended is None:
                    self._say(f"{step.name}: {step.note or 'at work'}, {duration(step.seconds)} so far")

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for step in self.steps:
            mark = "[red]✗[/]" if step.failed else "[green]✓[/]" if step.ended else "[yellow]…[/]"
            table.add_row(mark, step.name, duration(step.seconds), step.outcome if step.ended else step.note)
        return table
