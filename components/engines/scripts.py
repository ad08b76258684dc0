"""The shell scripts beside this file that run inside an engine's container."""

from __future__ import annotations

from pathlib import Path

from components.workload import File


def script(part: str, kind: str | None = None) -> File:
    """`<part>.sh` as the container sees it: an engine's own, or without `kind` one that several engines share."""
    source = f"{kind}_{part}.sh" if kind else f"{part}.sh"
    return File(name=f"{part}.sh", content=Path(__file__).with_name(source).read_text())
