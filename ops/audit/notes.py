"""Who changed which stack from this machine, when, and how it ended: a line of JSON for each beginning and each end."""

from __future__ import annotations

import getpass
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

FILE = "audit.jsonl"
"""Below `.slm`, for all stacks together; no `make down` touches it. shipping.py hands it to their log stores."""


@contextmanager
def noted(file: Path, stack: str, doing: str) -> Iterator[None]:
    """Write that `doing` begins, and how it ended: `done`, `failed` with the kind of error, or `interrupted`.

    A beginning without an end was killed. Nothing that a command prints, and no secret, is in it.
    """
    begin = time.monotonic()
    _write(file, {"stack": stack, "did": doing, "outcome": "begun"})
    outcome = "done"
    try:
        yield
    except Exception as error:
        outcome = f"failed: {type(error).__name__}"
        raise
    except BaseException:
        outcome = "interrupted"
        raise
    finally:
        seconds = round(time.monotonic() - begin, 1)
        _write(file, {"stack": stack, "did": doing, "outcome": outcome, "seconds": seconds})


def _write(file: Path, entry: dict[str, object]) -> None:
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "who": _who(),
        "process": os.getpid(),
        **entry,
    }
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        # One write: lines of two commands do not mix.
        out.write(json.dumps(line) + "\n")


def _who() -> str:
    """The person's name, also behind sudo; a number where nobody has a name for it."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
