"""How long set-up takes: on a machine that has everything, and on one that has nothing; and the quick tests."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from bench.table import Goal, Row, interleaved
from ops.errors import UserError
from ops.machine import PROJECT
from tools.installer import Installer

NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "results")


def warm(runs: int) -> Row:
    """The whole cost of `make` before a command starts, when there is nothing to do."""
    (seconds,) = interleaved(runs, lambda: _timed(PROJECT, *_bootstrap(), environment={}))
    note = "tools/bootstrap.py --tools -- true, on a ready machine"
    return Row("set-up: warm", "s", statistics.median(seconds), note=note, samples={"ours": seconds})


def recorded() -> Row:
    """What the installer wrote down when it got the tools of this machine. Raises UserError when it has none."""
    installer = Installer()
    origins = {name: installer.origin(name) for name in installer.default}
    if missing := [name for name, origin in origins.items() if not origin]:
        raise UserError(f"{', '.join(missing)} is not installed", fix="make setup")
    seconds = {name: float(origin["seconds"]) for name, origin in origins.items()}
    ways = sorted({origin["way"] for origin in origins.values()})
    note = f"tools only, as the installer recorded it ({', '.join(ways)}); --cold measures all of it"
    return Row("set-up: cold", "s", sum(seconds.values()), note=note, samples={"ours": seconds})


def cold(folder: Path) -> Row:
    """A set-up with an empty cache and without an environment, in a copy of the checkout. Raises UserError."""
    checkout = folder / "checkout"
    shutil.copytree(PROJECT, checkout, ignore=NOT_COPIED)
    own = {"SLM_CACHE": str(folder / "cache"), "XDG_CACHE_HOME": str(folder / "other")}
    try:
        seconds = _timed(checkout, *_bootstrap(), environment=own)
    finally:
        subprocess.run(["chmod", "-R", "u+w", str(folder / "cache")], check=False)
    return Row("set-up: cold", "s", seconds, note="empty cache, no environment", samples={"ours": [seconds]})


def quick_tests() -> Row:
    """`make test-fast`. Raises UserError when the tests fail: a time of failing tests says nothing."""
    seconds = _timed(PROJECT, "make", "-s", "test-fast", environment={})
    return Row("make test-fast", "s", seconds, goal=Goal("value", 60), samples={"ours": [seconds]})


def _bootstrap() -> list[str]:
    return [sys.executable, "tools/bootstrap.py", "--tools", "--", "true"]


def _timed(folder: Path, *command: str, environment: Mapping[str, str]) -> float:
    # What a surrounding make or virtual environment has set is not for this one.
    outer = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "VIRTUAL_ENV")
    kept = {key: value for key, value in os.environ.items() if key not in outer}
    began = time.perf_counter()
    try:
        done = subprocess.run(command, cwd=folder, env={**kept, **environment}, capture_output=True, text=True)
    except FileNotFoundError:
        raise UserError(f"{command[0]} is not on PATH", fix=f"install {command[0]}") from None
    seconds = time.perf_counter() - began
    if done.returncode:
        tail = "\n  ".join((done.stdout + done.stderr).strip().splitlines()[-8:])
        raise UserError(f"{' '.join(command)} failed, so its time says nothing:\n  {tail}")
    return seconds
