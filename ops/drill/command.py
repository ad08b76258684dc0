"""`make drill`: play the drills of a running stack one after the other, and print what came of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ops import recovery
from ops.drill import faults_around, faults_engine
from ops.drill.drill import Drill, Result
from ops.drill.play import play
from ops.drill.scene import Scene
from ops.errors import UserError
from ops.machine import STATE_DIRECTORY, Machine, write_private

DRILLS = (*faults_engine.DRILLS, *faults_around.DRILLS)
FAILED = 1


def run(stack: str, only: str, console: Console) -> int:
    """Play the drills, or those `only` names (with commas). 1 when one did not hold. Raises UserError."""
    chosen = named(only)
    scene = Scene(Machine(stack))
    results = []
    with faster_times(scene):
        for drill in chosen:
            console.print(f"  {drill.name}: {drill.fault}", style="dim")
            doing = (
                nullcontext() if drill.locks_itself else scene.machine.lock(f"make drill STACK={stack} ({drill.name})")
            )
            with doing:
                results.append(play(drill, scene))
    console.print(table(results))
    console.print(f"  as JSON: {written(scene.machine, stack, results)}")
    if any(drill.name == "key-rotation" for drill in chosen):
        console.print(f"  the API key is another one now: make key STACK={stack}")
    return FAILED if any(result.held is False for result in results) else 0


def named(only: str) -> list[Drill]:
    """The drills of these names, all without any. Raises UserError for one there is not."""
    wanted = [name.strip() for name in only.split(",") if name.strip()]
    by_name = {drill.name: drill for drill in DRILLS}
    if unknown := [name for name in wanted if name not in by_name]:
        raise UserError(f"there is no drill '{unknown[0]}'", fix=f"there are {', '.join(by_name)}")
    return [by_name[name] for name in wanted] or list(DRILLS)


@contextmanager
def faster_times(scene: Scene) -> Iterator[None]:
    """Shorter times in Prometheus for as long as the block lasts; what a killed drill has left is put right first."""
    with scene.machine.lock(f"make drill STACK={scene.machine.stack} (times)"):
        recovery.sweep(scene.client, scene.machine.stack)
        scene.files.restore()
        faults_engine.mend(scene)
        faults_around.mend(scene)
        scene.files.hasten()
    try:
        yield
    finally:
        scene.files.restore()


def written(machine: Machine, stack: str, results: list[Result]) -> Path:
    """The file of the results below .slm/drills."""
    now = datetime.now(UTC)
    file = machine.project / STATE_DIRECTORY / "drills" / f"{now:%Y%m%d-%H%M%S}.json"
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    document = {
        "stack": stack,
        "ended": now.isoformat(timespec="seconds"),
        "drills": [result.model_dump() for result in results],
    }
    write_private(file, json.dumps(document, indent=1) + "\n")
    return file


def table(results: list[Result]) -> Table:
    """What came of each drill, for a person."""
    shown = Table(title="Drills", title_justify="left", show_lines=True)
    for column in ("drill", "alert", "after", "as described", "over after", "seen by those who ask", "held"):
        shown.add_column(column, overflow="fold")
    for result in results:
        seen = ", ".join(f"{count}x {status}" for status, count in result.seen.items())
        slowest = f"; slowest {result.slowest_seconds:.1f} s" if result.slowest_seconds is not None else ""
        held = {True: "[green]yes[/green]", False: "[bold red]NO[/bold red]", None: "[yellow]left out[/yellow]"}
        why = "\n".join((*result.problems, *([result.note] if result.note else [])))
        shown.add_row(
            f"{result.name}\n[dim]{result.fault}[/dim]",
            result.alert or "none",
            _seconds(result.alert_seconds),
            "" if result.alert_waits is None else f"+{result.alert_waits} s",
            _seconds(result.calm_seconds),
            f"{seen}{slowest}",
            held[result.held] + (f"\n{why}" if why else ""),
        )
    return shown


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.0f} s"
