"""What every layer shares: an engine that was started for this run alone is stopped at its end, by its process id."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import pytest

from tools.docker_engine import STARTED_VARIABLE


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the Docker engine `make test` had to start; one that ran before is left alone."""
    started = os.environ.get(STARTED_VARIABLE)
    if not started:
        return
    os.kill(int(started), signal.SIGTERM)
    with suppress(ChildProcessError):  # It was started by another process, which collects it.
        os.waitpid(int(started), 0)
