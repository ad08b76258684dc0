"""What every layer shares: an engine that was started for this run alone is stopped at its end, by its process id."""

from __future__ import annotations

import gc
import os
import signal
from contextlib import suppress

import hypothesis
import pytest

from tests import lanes
from tools.docker_engine import STARTED_VARIABLE

# How long an example takes says something of the machine, and of what else it is doing, and nothing of the code.
hypothesis.settings.register_profile("any machine", deadline=None)
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


@pytest.hookimpl(tryfirst=True)  # Before xdist reads the marks.
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests stay together in one process, and begin with those that take the longest."""
    groups = {
        item: lanes.group(item.path, frozenset(getattr(item, "fixturenames", ())))
        for item in items
        if not (item.get_closest_marker("unit") or item.get_closest_marker("program"))
    }
    for item, name in groups.items():
        item.add_marker(pytest.mark.xdist_group(name))
    items.sort(key=lambda item: not lanes.first(groups.get(item, "")))


def pytest_collection_finish() -> None:
    """All that was imported and collected lives to the end; to walk through it again and again took 6% of a run."""
    gc.collect()
    gc.freeze()
