"""Run the real `__main__.py` under mocks, once for each set of configuration."""

from __future__ import annotations

import asyncio
import gc
import json
import runpy
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pulumi
import pytest
from pulumi.runtime.settings import get_root_resource
from pulumi.runtime.stack import Stack, run_pulumi_func

from tests.program.aks_declared import declare
from tests.program.recorder import Recorder

__all__ = ["declare", "run_program"]
PROJECT = Path(__file__).resolve().parents[2]
IMAGES = {role: "sha256:" + letter * 64 for role, letter in (("ollama", "a"), ("haproxy", "b"), ("fetch", "c"))}
SECRETS = ["slm:apiKeys", "slm:webuiSecrets", "slm:monitoringSecrets", "slm:cert", "slm:cert-key", "slm:metrics-token"]
KEYS = {"key-1": "slm-" + "k" * 43}
Run = Callable[..., Recorder]


@pytest.fixture
def run_program(monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Gives a function that runs the program for a stack and returns what it registered, after everything is in.

    `declaring` is run in place of the program.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    # The mocks' monitor would make an event loop in each thread that calls it and close none of them.
    loops: list[asyncio.AbstractEventLoop] = []
    executor = ThreadPoolExecutor(initializer=lambda: loops.append(_loop_of_this_thread()))
    loop.set_default_executor(executor)
    monkeypatch.setenv("PULUMI_ERROR_OUTPUT_STRING", "1")
    # Where production may keep its state; mocks have none, and nobody is asked.
    monkeypatch.setenv("PULUMI_BACKEND_URL", "azblob://state?storage_account=example")
    # Making a hook registers it with an engine, and under mocks there is none; what hooks do is tested for real.
    monkeypatch.setattr("components.targets.docker.hooks.ResourceHook", lambda name, function: function)

    def run(
        stack: str = "dev",
        config: dict[str, str] | None = None,
        keys: dict[str, str] | None = None,
        recorder: Recorder | None = None,
        declaring: Callable[[], object] | None = None,
    ) -> Recorder:
        recorder = recorder or Recorder()
        pulumi.runtime.set_mocks(recorder, project="slm", stack=stack, preview=False)
        # The laptop's monitoring brings a dozen containers and images of their own: tests of it ask for it.
        values = {
            **({"slm:monitoring": "null"} if stack == "dev" else {}),
            "slm:images": json.dumps(IMAGES),
            "slm:apiKeys": json.dumps(KEYS if keys is None else keys),
        }
        pulumi.runtime.set_all_config(
            {**values, **(config or {})},
            SECRETS,
        )

        async def program() -> None:
            stack = get_root_resource()
            assert isinstance(stack, Stack)
            # All runs of a process have one stack, which remembers what earlier ones exported, and their recorders:
            # those would take aliases off before this one sees them.
            stack.outputs.clear()
            stack._transformations.clear()
            pulumi.runtime.register_stack_transformation(recorder.transform)
            try:
                declaring() if declaring else runpy.run_path(str(PROJECT / "__main__.py"), run_name="__main__")
            finally:
                # The program switches it off for its own short life, which this process outlives.
                gc.enable()
            recorder.outputs |= stack.outputs

        loop.run_until_complete(run_pulumi_func(program))
        return recorder

    yield run
    executor.shutdown()
    for made in (*loops, loop):
        made.close()
    asyncio.set_event_loop(None)


def _loop_of_this_thread() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop
