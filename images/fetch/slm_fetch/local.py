"""Weights of the machine that runs `up`, which it copied into the volume before the job started."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from slm_fetch.listing import Offer, Tell, chosen
from slm_fetch.plan import Plan, SourceFailed, Wanted
from slm_fetch.report import Report
from slm_fetch.store import Found, Store

Source = dict[str, Any]


def from_path(source: Source, plan: Plan, _store: Store, report: Report) -> Found:
    """A file that was copied in."""
    file = Path(source["path"])
    if not file.is_file():
        raise SourceFailed(f"{source['origin']} was not copied in; run up on the machine that has this file")
    report.event("copied", source="path", origin=source["origin"])
    return Found(file, plan.files[0])


@contextmanager
def path_folder(source: Source, plan: Plan, report: Report, _stop: threading.Event) -> Iterator[Offer]:
    """The files of a folder that was copied in."""
    top = Path(source["path"])
    if not top.is_dir():
        raise SourceFailed(f"{source['origin']} was not copied in; run up on the machine that has this folder")
    files, skipped = chosen(plan, _below(top), source["origin"])
    report.event("copied", source="path", origin=source["origin"])

    def fetch(wanted: Wanted, part: Path, tell: Tell) -> None:
        try:
            os.replace(top / wanted.path, part)
        except FileNotFoundError:
            raise SourceFailed(f"{source['origin']} has no file {wanted.path}") from None
        tell(wanted.size or 0)

    yield Offer(files, fetch, skipped)


def _below(top: Path) -> list[Wanted]:
    """The plain files below a folder; a link could lead out of it."""
    return [
        Wanted(str(path.relative_to(top)), path.stat().st_size)
        for path in sorted(top.rglob("*"))
        if path.is_file() and not any(p.is_symlink() for p in (path, *path.parents[: len(path.relative_to(top).parts)]))
    ]
