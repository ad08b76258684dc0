"""What the program says: one JSON object per line on standard output, at most one progress line per second."""

from __future__ import annotations

import json
import sys
import time
from typing import Any


class Report:
    """Writes events. `source` and `total` are added to progress lines."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.source = ""
        self._last = 0.0

    def event(self, event: str, **facts: Any) -> None:
        """One line of the given kind."""
        print(json.dumps({"event": event, **facts}), flush=True)

    def progress(self, done: int, *, what: str = "fetch", total: int | None = None) -> None:
        """How far it is, in bytes. The last one always gets through."""
        now = time.monotonic()
        total = self.total if total is None else total
        if now - self._last >= 1 or done >= total:
            self._last = now
            self.event("progress", what=what, source=self.source, done=done, total=total)

    def failure(self, message: str) -> None:
        """Why it ends without weights, for people."""
        print(f"fetch: {message}", file=sys.stderr, flush=True)
