"""Write the report of a running stack to a file on this machine."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from components.settings import load, load_overlay
from ops import inside
from ops.errors import UserError
from ops.machine import STATE_DIRECTORY, Machine, write_private
from ops.prometheus import Prometheus
from ops.report.page import page
from ops.status.command import look


def run(stack: str, hours: int, file: Path | None, console: Console) -> Path:
    """Write the page about the last `hours` and say where it is; below .slm/reports unless told. Raises UserError."""
    machine = Machine(stack)
    settings = load(stack, machine.project, load_overlay(machine.config_path))
    prometheus = Prometheus(inside.of(settings, stack))
    now = datetime.now(UTC)
    days = settings.monitoring.retention.metrics_days if settings.monitoring else 0
    text = page(prometheus, look(settings, prometheus), stack, hours, f"Figures are kept for {days} days.", now)
    chosen = file or machine.project / STATE_DIRECTORY / "reports" / f"{stack}-{now:%Y%m%d-%H%M%S}.html"
    try:
        if file is None:
            chosen.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(chosen, text)
    except OSError as error:
        raise UserError(
            f"{chosen} cannot be written: {error.strerror}", harm="there is no report", fix="give another FILE"
        ) from None
    console.print(
        f"  report of the last {hours} h in {chosen} ({len(text.encode()) / 1e3:.0f} kB, one page, no script)"
    )
    return chosen
