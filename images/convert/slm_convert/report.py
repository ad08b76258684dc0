"""What the program says: one JSON object per line on standard output."""

from __future__ import annotations

import json
import sys
from typing import Any


def event(kind: str, **facts: Any) -> None:
    """One line of the given kind."""
    print(json.dumps({"event": kind, **facts}), flush=True)


def progress(step: str, origin: str, done: int, total: int) -> None:
    """How far a step is, in bytes written; the expected total is an estimate, so it never seems complete."""
    event("progress", what=step, source=origin, done=min(done, max(total - 1, 0)), total=total)


def failure(message: str) -> None:
    """Why it ends without weights, for people."""
    print(f"convert: {message}", file=sys.stderr, flush=True)
