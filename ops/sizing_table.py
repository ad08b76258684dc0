"""The resource table of a stack, for `make check`: what each engine needs, and whether it fits where it goes."""

from __future__ import annotations

import math

from rich.table import Table

from components.settings import Settings
from components.sizing import size
from components.sizing.needs import HOST, NOTHING, Needs, gib, needs
from components.sizing.verdict import Verdict

COLOURS = {"fit": "green", "tight": "yellow", "misfit": "red", "unknown": "dim"}
WORDS = {"fit": "fits", "tight": "tight", "misfit": "does not fit", "unknown": "not known before up"}


def resource_table(settings: Settings) -> Table:
    """One row an engine, and what a host needs that runs them all."""
    table = Table(title="resources")
    for heading in ("engine", "least RAM", "recommended RAM", "GPU memory", "disk", "on", "verdict", "room for"):
        table.add_column(heading, overflow="fold")
    total = NOTHING
    for sized in size(settings):
        engine, verdict = settings.hosted[sized.engine], sized.verdict
        need = needs(engine, settings.model_of(sized.engine))
        total += need
        answer = f"[{COLOURS[verdict.answer]}]{WORDS[verdict.answer]}[/]"
        table.add_row(sized.engine, *_cells(need), verdict.machine, answer, _room(verdict))
    if page := settings.webui:
        need = Needs(
            least_ram_mib=page.memory_mib,
            recommended_ram_mib=page.memory_mib,
            vram_mib=0,
            disk_mib=math.ceil(page.size_gib * 1024),
        )
        total += need
        table.add_row("webui", *_cells(need), settings.targets[settings.gateway.target].where, "", "-")
    table.add_section()
    table.add_row("all, with the host", *_cells(total + HOST), "", "", "")
    return table


def _cells(need: Needs) -> tuple[str, str, str, str]:
    vram = gib(need.vram_mib) if need.vram_mib else "-"
    return gib(need.least_ram_mib), gib(need.recommended_ram_mib), vram, gib(need.disk_mib)


def _room(verdict: Verdict) -> str:
    if verdict.kv_tokens is None:
        return "-"
    most = f", {verdict.most_requests} requests of {verdict.context}" if verdict.most_requests is not None else ""
    return f"{verdict.kv_tokens} tokens{most}"
