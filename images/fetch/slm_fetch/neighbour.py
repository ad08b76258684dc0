"""Another host of the site that has the weights already, and serves them by their sha256 (`slm_fetch.serve`)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from slm_fetch.hub import credentials
from slm_fetch.listing import Offer, Tell, complete
from slm_fetch.plan import Plan, SourceFailed, Wanted
from slm_fetch.report import Report
from slm_fetch.store import Found, Store
from slm_fetch.web import Refused, Web

SLOWEST = 500_000.0
"""Bytes per second below which a neighbour is given up: on the slowest line on which a fetch may end at all."""
WINDOW = 30.0
"""Seconds over which that is measured."""
TIMEOUT, LONGEST_PAUSE = 10.0, 2.0
"""Seconds. A neighbour is near: one that does not answer soon is gone, and there are other sources."""

Source = dict[str, Any]


def from_neighbour(source: Source, plan: Plan, store: Store, report: Report) -> Found:
    """One file, by its sha256."""
    wanted = _pinned(plan)[0]
    part = store.partial("http", wanted.sha256)
    with _asked(source, plan, report, threading.Event()) as fetch:
        fetch(wanted, part, lambda done: report.progress(done, total=wanted.size))
    return Found(part, wanted)


@contextmanager
def neighbour_folder(source: Source, plan: Plan, report: Report, stop: threading.Event) -> Iterator[Offer]:
    """The files of the plan, each by its sha256."""
    files = _pinned(plan)
    with _asked(source, plan, report, stop) as fetch:
        yield Offer(files, fetch)


@contextmanager
def _asked(
    source: Source, plan: Plan, report: Report, stop: threading.Event
) -> Iterator[Callable[[Wanted, Path, Tell], None]]:
    token, secret = credentials(source)
    quick = replace(plan, timeout=min(plan.timeout, TIMEOUT), longest_pause=min(plan.longest_pause, LONGEST_PAUSE))
    try:
        web = Web(quick, report, token=token, secret=secret, authority=Path(source["ca_file"]), stop=stop)
    except OSError as error:
        raise SourceFailed(f"the authority of its certificate cannot be read: {error.strerror or error}") from None

    def fetch(wanted: Wanted, part: Path, tell: Tell) -> None:
        url = f"{source['endpoint'].rstrip('/')}/{wanted.sha256}"
        pace = _Pace(float(source.get("slowest", SLOWEST)), float(source.get("window", WINDOW)), tell)
        try:
            web.download(url, part, wanted.size or 0, pace)
        except Refused:
            raise SourceFailed("it refuses the token of this rollout: it serves for another one") from None

    with web:
        yield fetch


class _Pace:
    """Passes on how many bytes there are, and raises SourceFailed when too few of them came during a window."""

    def __init__(self, slowest: float, window: float, tell: Tell) -> None:
        self._slowest, self._window, self._tell = slowest, window, tell
        self._since: tuple[float, int] | None = None

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        began, had = self._since or (now, done)
        if self._since is None or done < had:
            self._since = began, had = now, done
        if now - began >= self._window:
            if (speed := (done - had) / (now - began)) < self._slowest:
                raise SourceFailed(
                    f"it is too slow: {speed / 1e6:.2f} MB/s, and {self._slowest / 1e6:.2f} are asked for"
                )
            self._since = now, done
        self._tell(done)


def _pinned(plan: Plan) -> tuple[Wanted, ...]:
    """The files of a plan that knows all of them. Raises SourceFailed: a neighbour's word alone is not taken."""
    if not complete(plan):
        raise SourceFailed("a neighbour is asked for pinned files only, and these are not looked up yet")
    return plan.files
