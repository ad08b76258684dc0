"""The program: python3 -m slm_fetch PLAN.json. Exit codes are in README.md."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

from slm_fetch.folder import Folder
from slm_fetch.plan import NoSpace, Plan, PlanError, SourceFailed, WrongBytes, read_plan
from slm_fetch.report import Report
from slm_fetch.sources import FOLDERS, KINDS
from slm_fetch.store import Found, Store

DONE, BAD_PLAN, NO_SPACE, NO_SOURCE = 0, 2, 3, 4


def fetch(plan: Plan, report: Report) -> dict[str, Any]:
    """The record of the verified weights, fetched now or before. Raises NoSpace, SourceFailed."""
    one = Store(plan, report) if plan.layout != "folder" else None
    store = one or Folder(plan, report)
    if record := store.present():
        report.event("present", message=f"{plan.name} is already there", sha256=record["sha256"], bytes=record["bytes"])
        return record
    with store.opened():
        if record := store.present():
            return record
        if one and (record := _without_record(plan, one, report)):
            return record
        reasons = []
        for source in plan.sources:
            started, report.source = time.monotonic(), source["kind"]
            try:
                record = _whole(source, plan, store, report)
            except (SourceFailed, KeyError) as error:
                reason = f"its description lacks {error}" if isinstance(error, KeyError) else str(error)
                reasons.append(f"{source['kind']}: {reason}")
                report.event("source-failed", source=source["kind"], message=reason)
                continue
            seconds = round(time.monotonic() - started, 1)
            facts = {key: record[key] for key in ("source", "sha256", "bytes", "revision")}
            facts |= {"files": len(record["files"]), "skipped": record["skipped"]} if "files" in record else {}
            report.event("done", message=f"{plan.name} came from {source['kind']}", seconds=seconds, **facts)
            return record
    raise SourceFailed(
        f"no source could serve {plan.name}:\n"
        + "\n".join(f"  - {reason}" for reason in reasons)
        + "\nNothing is served with other weights. What arrived is kept: run up again to go on from there."
    )


def _without_record(plan: Plan, store: Store, report: Report) -> dict[str, Any] | None:
    """The record of a file that is complete while its record is missing or differs: a run was killed in between, or
    the file was changed."""
    known = plan.sha256
    if not known or not (lost := store.final(known)).is_file() or plan.files[0].size not in (None, lost.stat().st_size):
        return None
    report.source = "volume"
    try:
        return store.accept(Found(lost, plan.files[0]), "volume")
    except SourceFailed as reason:
        report.event("source-failed", source="volume", message=str(reason))
        return None


def _whole(source: dict[str, Any], plan: Plan, store: Store | Folder, report: Report) -> dict[str, Any]:
    """What the source delivers. Bytes of another source, or of an earlier run, with which a file began may have been
    wrong ones: that must not be blamed on this source, which is asked once more, for everything."""
    begun = store.parts()
    try:
        return _from(source, plan, store, report)
    except WrongBytes as reason:
        if not begun:
            raise
        report.event("retry", source=source["kind"], reason=f"from the beginning: {reason}")
        for part in store.parts():
            part.unlink(missing_ok=True)
        return _from(source, plan, store, report)


def _from(source: dict[str, Any], plan: Plan, store: Store | Folder, report: Report) -> dict[str, Any]:
    kind = source["kind"]
    if isinstance(store, Store):
        store.space()
        return store.accept(KINDS[kind](source, plan, store, report), kind)
    stop = threading.Event()
    with FOLDERS[kind](source, plan, report, stop) as offer:
        return store.bring(offer, kind, stop)


def main(arguments: list[str]) -> int:
    """Run with a plan and give the exit code."""
    report = Report(0)
    if len(arguments) != 1:
        report.failure("usage: python3 -m slm_fetch PLAN.json")
        return BAD_PLAN
    try:
        plan = read_plan(Path(arguments[0]))
        report.total = plan.size
        fetch(plan, report)
    except PlanError as error:
        report.failure(str(error))
        return BAD_PLAN
    except NoSpace as error:
        report.failure(str(error))
        return NO_SPACE
    except SourceFailed as error:
        report.failure(str(error))
        return NO_SOURCE
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            report.failure(
                f"the disk became full while {plan.name} was fetched. What arrived is kept: free some space where"
                " Docker keeps its volumes (docker system df shows what it holds), then run up again to go on."
            )
            return NO_SPACE
        report.failure(f"the volume cannot be written: {error.strerror} ({error.filename})")
        return BAD_PLAN
    return DONE


def _stop(number: int, _frame: FrameType | None) -> None:
    # As the container's first process it would otherwise ignore SIGTERM. Partial files stay and are gone on with.
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    try:
        code = main(sys.argv[1:])
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    sys.stdout.flush()
    # Leaving the usual way waits for transfers in other threads, which may hang on a silent server until their timeout.
    os._exit(code)
