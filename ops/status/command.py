"""Ask a running stack how it is, once or again and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from components.settings import Settings, load, load_overlay
from components.settings.stack_file import host_of
from ops import inside
from ops.machine import Machine
from ops.prometheus import Prometheus
from ops.status.state import FIGURES, Status, asked_query, cost_query, state
from ops.status.table import rendered

EVERY = 5
"""Seconds between two looks."""

BROKEN = 1


def run(stack: str, watch: bool, console: Console) -> int:
    """Show the status; 1 when something is broken. Raises UserError when nobody can be asked, but not while watching.

    `watch` goes on until it is interrupted, and the code is of the last look.
    """
    machine = Machine(stack)
    settings = load(stack, machine.project, load_overlay(machine.config_path))
    if settings.monitoring is None and host_of(stack):
        return _of_host(machine, console)
    prometheus = Prometheus(inside.of(settings, stack))
    if watch:
        return watching(lambda: look(settings, prometheus), stack, console)
    status = look(settings, prometheus)
    console.print(rendered(status, stack, _now()))
    return BROKEN if status.problems else 0


def _of_host(machine: Machine, console: Console) -> int:
    """Show what a fleet's host tells by itself: without monitoring nobody measures it, and its containers are seen."""
    from ops.fleet.status import look_at, table

    found = look_at(machine)
    console.print(table([found]))
    return 0 if found.good else BROKEN


def look(settings: Settings, prometheus: Prometheus) -> Status:
    """The status now. Raises ops.inside.Unreachable."""
    own = settings.monitoring
    days = own.retention.metrics_days if own else 1
    # One that was not asked for so long has no age that says anything.
    since = max(60, 3 * own.scrape_seconds) if own else 60
    ollama = any(engine.kind == "ollama" for engine in settings.hosted.values())
    return state(
        described(settings),
        prometheus.query(FIGURES),
        prometheus.query(cost_query(days)),
        prometheus.alerts(),
        prometheus.targets(),
        prometheus.samples(asked_query(since)) if ollama else (),
        time.time(),
    )


def described(settings: Settings) -> dict[str, tuple[str, str]]:
    """Kind and served model of each engine of the stack file, by name."""
    return {
        name: (
            engine.kind,
            settings.hosted[name].served_models(settings.model_of(name))[0]
            if name in settings.hosted
            else engine.served_name,
        )
        for name, engine in settings.engines.items()
    }


def watching(
    ask: Callable[[], Status], stack: str, console: Console, wait: Callable[[float], object] = time.sleep
) -> int:
    """Show what `ask` finds until the person interrupts; 1 when the last look found something broken, or nothing."""
    code = BROKEN
    with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:
        try:
            while True:
                shown: RenderableType
                try:
                    status = ask()
                    shown, code = rendered(status, stack, _now()), BROKEN if status.problems else 0
                except inside.Unreachable as error:
                    shown, code = Text(f"{_now()} {error}", style="red"), BROKEN
                live.update(shown, refresh=True)
                wait(EVERY)
        except KeyboardInterrupt:
            return code


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
