"""A status as a person reads it in a terminal (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from ops.prometheus import Alert
from ops.status.state import Disk, Engine, Status

UNKNOWN = "[dim]-[/dim]"
COLOURS = {"critical": "bold red", "warning": "yellow", "info": "dim"}
TOO_MUCH = 1.15
"""Times its prediction from which an engine's memory is an alert (MemoryAbovePrediction)."""

NEARLY_FULL = 0.15
"""The share of a disk that is left when DiskNearlyFull fires."""


def rendered(status: Status, stack: str, at: str) -> RenderableType:
    """The whole picture. `at` is the time it is of."""
    return Group(*_parts(status, stack, at))


def _parts(status: Status, stack: str, at: str) -> Iterator[RenderableType]:
    yield _engines(status, f"stack {stack} at {at}")
    if any(e.first_token_seconds is None and e.first_byte_seconds is not None for e in status.engines):
        yield "  [dim]~ the gateway's mean time to the first byte: this engine does not measure its first token[/dim]"
    if not status.alerts:
        yield "  alerts    none fires"
    for alert in status.alerts:
        yield from _alert(alert)
    for disk in status.disks:
        yield f"  disk      {_disk(disk)}"
    if status.keys:
        told = (f"[yellow]{escape(key.told)}[/yellow]" if key.old else escape(key.told) for key in status.keys)
        yield f"  keys      {', '.join(told)}"
    if status.problems:
        yield f"\n[bold red]broken: {len(status.problems)}[/bold red]"
        yield from (f"  {escape(problem)}" for problem in status.problems)
    else:
        yield "\n[green]nothing is broken[/green]"


def _engines(status: Status, title: str) -> Table:
    # No wider than the narrowest terminal of people: a word that is broken in two cannot be copied.
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1), collapse_padding=True, show_edge=False
    )
    headings = (
        "engine, model",
        "state",
        "tokens\n/s",
        "TTFT\np95",
        "runs,\nwaits",
        "KV\ncache",
        "memory, share\nof predicted",
        "USD\nso far",
    )
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading == headings[0])
    for engine in status.engines:
        table.add_row(
            f"{engine.name} [dim]({engine.kind})[/dim]\n{escape(engine.model)}",
            _state(engine),
            _number(engine.tokens_per_second, ".0f" if (engine.tokens_per_second or 0) >= 1000 else ".1f"),
            _first_token(engine),
            f"{_number(engine.running, '.0f')}, {_number(engine.waiting, '.0f')}",
            _number(engine.kv_cache_ratio, ".0%"),
            _memory(engine),
            UNKNOWN if engine.usd is None else f"{engine.usd:,.2f}",
        )
    return table


def _state(engine: Engine) -> str:
    if engine.up is None:
        return "[red]unknown[/red]"
    if engine.asleep:
        return "[dim]asleep, none has to run[/dim]"
    if not engine.up:
        return "[red]down[/red]"
    if engine.problem:
        return "[red]no model in memory[/red]"
    if engine.copies_up is not None and engine.copies_described and engine.copies_up < engine.copies_described:
        return f"[yellow]up, {engine.copies_up:.0f} of {engine.copies_described:.0f} copies[/yellow]"
    if engine.models_loaded != 0:
        return "[green]up[/green], ready"
    when = "" if engine.models_asked is None else f" {engine.models_asked:.0f} s ago"
    return f"[green]up[/green], idle, model not in memory{when}"


def _first_token(engine: Engine) -> str:
    if engine.first_token_seconds is not None:
        return _seconds(engine.first_token_seconds)
    return UNKNOWN if engine.first_byte_seconds is None else f"[dim]~{_seconds(engine.first_byte_seconds)}[/dim]"


def _memory(engine: Engine) -> str:
    used, predicted = engine.memory_bytes, engine.memory_predicted_bytes
    if used is None:
        return UNKNOWN
    if not predicted:
        return _bytes(used)
    share = f"{used / predicted:.0%} of {_bytes(predicted)}"
    return f"{_bytes(used)}\n" + (f"[yellow]{share}[/yellow]" if used > TOO_MUCH * predicted else share)


def _alert(alert: Alert) -> Iterator[str]:
    colour = COLOURS.get(alert.severity, "red")
    since = f"{alert.since[:16].replace('T', ' ')} UTC"
    yield f"  [{colour}]{escape(alert.severity):<8}[/{colour}]  {escape(alert.name)} since {since}"
    for what in ("summary", "runbook_url"):
        if told := alert.annotations.get(what):
            yield f"            {escape(told)}"


def _disk(disk: Disk) -> str:
    left = disk.free / disk.size
    share = f"{left:.0%} left"
    coloured = f"[yellow]{share}[/yellow]" if left < NEARLY_FULL else share
    return f"{escape(disk.mountpoint)}: {_bytes(disk.free)} of {_bytes(disk.size)}, {coloured}"


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def _number(value: float | None, form: str) -> str:
    return UNKNOWN if value is None else f"{value:{form}}"


def _bytes(value: float) -> str:
    return f"{value / 2**30:.1f} GiB" if value >= 2**30 else f"{value / 2**20:.0f} MiB"
