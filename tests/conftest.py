"""What every layer shares: an engine that was started for this run alone is stopped at its end, by its process id."""

from __future__ import annotations

import gc
import os
import signal
from contextlib import suppress
from typing import Any

import hypothesis
import pytest

from tests import lanes
from tools.docker_engine import STARTED_VARIABLE

# How long an example takes says something of the machine, and of what else it is doing, and nothing of the code. New
# examples each time are for whoever writes the code: a change is not refused for what another one brought.
hypothesis.settings.register_profile("any machine", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("any machine")

STARTED = pytest.StashKey[str | None]()


def pytest_configure(config: pytest.Config) -> None:
    """Take the note of who started the engine out of the environment: a pytest run inside a test must not stop it."""
    config.stash[STARTED] = os.environ.pop(STARTED_VARIABLE, None)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the Docker engine `make test` had to start; one that ran before is left alone."""
    if not (started := config.stash[STARTED]):
        return
    os.kill(int(started), signal.SIGTERM)
    with suppress(ChildProcessError):  # It was started by another process, which collects it.
        os.waitpid(int(started), 0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the groups that take the longest."""
    items.sort(key=lambda item: lanes.turn(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> lanes.Lanes | None:
    """Whole groups for whom `make test` starts; None leaves everybody else what they chose."""
    return lanes.Lanes(config, log) if config.getoption("dist") == "loadscope" else None


def pytest_collection_finish() -> None:
    """All that was imported and collected lives to the end; to walk through it again and again took 6% of a run."""
    gc.collect()
    gc.freeze()
