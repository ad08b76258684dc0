"""What the program says: one JSON object per line on standard output, at most one progress line per second."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any


class Report:
    """Writes events, from any thread. `source` and `total` are added to progress lines."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.source = ""
        self._last = 0.0
        self._lock = threading.Lock()

    def event(self, event: str, **facts: Any) -> None:
        """One line of the given kind."""
        line = json.dumps({"event": event, **facts})
        with self._lock:
            print(line, flush=True)

    def progress(self, done: int, *, what: str = "fetch", total: int | None = None, **facts: Any) -> None:
        """How far it is, in bytes. The last one always gets through."""
        now = time.monotonic()
        total = self.total if total is None else total
        if now - self._last >= 1 or done >= total:
            self._last = now
            self.event("progress", what=what, source=self.source, done=done, total=total, **facts)

    def failure(self, message: str) -> None:
        """Why it ends without weights, for people."""
        print(f"fetch: {message}", file=sys.stderr, flush=True)


class Together:
    """The progress of several files as one line."""

    def __init__(self, report: Report, total: int, files: int) -> None:
        self._report, self._total, self._files = report, total, files
        self._done: dict[str, int] = {}
        self._finished = 0

    def of(self, path: str) -> Callable[[int], None]:
        """What a transfer calls with the bytes it has so far."""

        def tell(done: int) -> None:
            self._done[path] = done
            self._say()

        return tell

    def finished(self, path: str, size: int) -> None:
        """This file is there and verified."""
        self._done[path] = size
        self._finished += 1
        self._say()

    def _say(self) -> None:
        # One line too few or a little behind does no harm, so the threads need no lock here.
        done = min(sum(self._done.copy().values()), self._total)
        if done == self._total and self._finished < self._files:
            done -= 1  # All bytes are there, and some are still being verified.
        self._report.progress(max(done, 0), total=self._total, files=f"{self._finished}/{self._files}")
