"""Child processes of the installer: none outlives it, and what they print is shown only when they fail."""

from __future__ import annotations

import signal
import subprocess
import threading
from pathlib import Path

from tools.errors import ToolError

PATIENCE = 15.0
"""Seconds a child gets to end after an interrupt."""

_running: set[subprocess.Popen[str]] = set()
_lock = threading.Lock()


def run(command: list[str], *, env: dict[str, str], cwd: Path, what: str, fix: str = "") -> str:
    """Run to the end and give what it wrote to standard output.

    Raises ToolError with the end of its error output, `what` naming what was tried and `fix` what to do.
    """
    with _lock:
        process = subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        _running.add(process)
    try:
        output, errors = process.communicate()
    except BaseException:
        _stop(process)
        raise
    finally:
        with _lock:
            _running.discard(process)
    if process.returncode:
        tail = [f"    {line}" for line in errors.splitlines() if line.strip()][-12:]
        raise ToolError("\n".join([f"{what} failed (exit code {process.returncode}):", *tail]), fix=fix)
    return output


def stop_all() -> None:
    """End every child that is still at work, and wait for it. What they had finished is kept by their own caches."""
    with _lock:
        running = list(_running)
    for process in running:
        _stop(process)


def _stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)  # On which Go ends its own children; SIGTERM would orphan them.
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
