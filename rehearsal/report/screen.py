"""What a person sees while a rehearsal is played, and the table at its end."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.status import Status
from rich.table import Table

from rehearsal.life.stage import Act
from rehearsal.life.story import Played, Timeline

STYLE = {"passed": "green", "failed": "bold red", "not played": "yellow"}
WIDTH = 110
"""Of a line of Pulumi's that is shown while it runs."""


class Screen:
    """One line that moves while an act is played, and one that stays when it has ended."""

    def __init__(self, console: Console, acts: int) -> None:
        self.console, self._acts, self._number = console, acts, 0
        self._status: Status | None = None
        self._doing = ""

    def begun(self, act: Act) -> Callable[[str], None]:
        """Show that the act begins; gives what it tells a person with."""
        self._number += 1
        self._doing = act.title
        self._status = self.console.status(self._doing)
        self._status.start()
        return self.tell

    def tell(self, text: str) -> None:
        """What happens now."""
        self._doing = text
        if self._status and self.console.is_terminal:
            self._status.update(text)
        else:
            self.console.print(f"  [dim]{text}[/dim]", highlight=False, soft_wrap=True)

    def line(self, text: str) -> None:
        """A line of Pulumi's own, shown behind what happens now."""
        if self._status and self.console.is_terminal and text.strip():
            self._status.update(f"{self._doing} [dim]{_plain(text)[:WIDTH]}[/dim]")

    def ended(self, one: Played) -> None:
        """Show what came of the act."""
        if self._status and one.outcome != "not played":
            self._status.stop()
            self._status = None
        if one.outcome == "not played":
            self._number += 1
        count = f"{self._number:2}/{self._acts}"
        style = STYLE[one.outcome]
        seconds = f"{one.seconds:6.1f} s" if one.outcome != "not played" else ""
        self.console.print(f"{count} [{style}]{one.outcome:10}[/{style}] {one.title} {seconds}", highlight=False)
        if one.outcome == "failed":
            self.console.print(f"     {one.why}", markup=False, highlight=False, soft_wrap=True)
            for seen in one.seen:
                self.console.print(f"       {seen}", markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """Leave the terminal as it was."""
        if self._status:
            self._status.stop()


def timeline_table(stack: str, timeline: Timeline) -> Table:
    """The whole life in one table."""
    table = Table("step", "what happens", "outcome", "seconds", title=f"rehearsal of stack {stack}")
    for one in timeline.played:
        seconds = f"{one.seconds:.1f}" if one.outcome != "not played" else ""
        table.add_row(one.name, one.title, f"[{STYLE[one.outcome]}]{one.outcome}[/]", seconds)
    table.add_section()
    table.add_row("all", "", "", f"{timeline.seconds:.1f}")
    return table


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("[", "\\[")
