"""The program: python3 -m slm_fetch PLAN.json. Exit codes are in README.md."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

from slm_fetch.plan import NoSpace, Plan, PlanError, SourceFailed, read_plan
from slm_fetch.report import Report
from slm_fetch.sources import KINDS
from slm_fetch.store import Store

DONE, BAD_PLAN, NO_SPACE, NO_SOURCE = 0, 2, 3, 4


def fetch(plan: Plan, report: Report) -> dict[str, Any]:
    """The record of the verified file, fetched now or before. Raises NoSpace, SourceFailed."""
    store = Store(plan, report)
    if record := store.present():
        report.event("present", message=f"{plan.name} is already there", sha256=record["sha256"], bytes=record["bytes"])
        return record
    with store.opened():
        if record := store.present():
            return record
        if (known := plan.sha256) and (lost := store.final(known)).is_file() and lost.stat().st_size == plan.size:
            # Complete, but its record is missing or differs: a run was killed between the two, or the file was changed.
            report.source = "volume"
            try:
                return store.accept(lost, "volume")
            except SourceFailed as reason:
                report.event("source-failed", source="volume", message=str(reason))
        store.check_space()
        reasons = []
        for source in plan.sources:
            started, report.source = time.monotonic(), source["kind"]
            try:
                file, library = KINDS[source["kind"]](source, plan, store, report)
                record = store.accept(file, source["kind"], library=library)
            except SourceFailed as reason:
                reasons.append(f"{source['kind']}: {reason}")
                report.event("source-failed", source=source["kind"], message=str(reason))
                continue
            seconds = round(time.monotonic() - started, 1)
            facts = {key: record[key] for key in ("source", "sha256", "bytes")}
            report.event("done", message=f"{plan.name} came from {source['kind']}", seconds=seconds, **facts)
            return record
    raise SourceFailed(
        f"no source could serve {plan.name}:\n"
        + "\n".join(f"  - {reason}" for reason in reasons)
        + "\nNothing is served with other weights. What arrived is kept: run up again to go on from there."
    )


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
        report.failure(f"the volume cannot be written: {error.strerror} ({error.filename})")
        return NO_SPACE if error.errno == 28 else BAD_PLAN
    return DONE


def _stop(number: int, _frame: FrameType | None) -> None:
    # As the container's first process it would otherwise ignore SIGTERM. Partial files stay and are gone on with.
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    sys.exit(main(sys.argv[1:]))
