"""Hooks of the Docker target run whatever the SDK's own threads wait for."""

from __future__ import annotations

import asyncio
import inspect
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from components.targets.docker import hooks

pytestmark = pytest.mark.unit


def test_a_hook_runs_while_every_thread_of_the_sdk_waits_for_it() -> None:
    done = threading.Event()

    async def deploy() -> bool:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        # As a resource that is being made: it holds a thread until its hook has run.
        resource = loop.run_in_executor(None, done.wait, 60)
        await asyncio.wait_for(hooks.in_own_thread(done.set), 30)
        return await resource

    assert asyncio.run(deploy())


def test_no_hook_takes_a_thread_of_the_sdk() -> None:
    source = inspect.getsource(hooks)
    assert "to_thread" not in source
    assert source.count("await in_own_thread(") == 4
