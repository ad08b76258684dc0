"""The ONNX server on a random model of 120 KB, and the batcher's words for tests."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvicorn

from servers.onnx.slm_onnx.app import Server, build
from servers.onnx.slm_onnx.generation import Batcher, Sampling, Work
from servers.onnx.slm_onnx.settings import Settings

TINY = Path(__file__).with_name("onnx_tiny")
MODEL = "tiny"


def settings(**changes: Any) -> Settings:
    """Settings for the tiny folder; one thread, because its matrices are smaller than a thread's start."""
    told = {"folder": TINY, "model": MODEL, "threads": 1, "context_length": 256, "providers": ("cpu",)}
    return Settings.model_validate(told | changes)


def work(prompt: list[int] | range, max_tokens: int = 12, **more: Any) -> Work:
    """Work with greedy sampling unless `sampling` says otherwise."""
    return Work(np.array(list(prompt), dtype=np.int64), max_tokens, more.pop("sampling", Sampling()), **more)


def finish(batcher: Batcher, keys: list[Hashable], steps: int = 2000) -> dict[Hashable, tuple[list[int], str | None]]:
    """Step until all `keys` have ended; their tokens, and how they ended (or the error)."""
    out: dict[Hashable, tuple[list[int], str | None]] = {key: ([], None) for key in keys}
    for _ in range(steps):
        for step in batcher.step():
            if step.key not in out:
                continue
            tokens = out[step.key][0]
            if step.token is not None:
                tokens.append(step.token)
            if step.finish or step.error:
                out[step.key] = (tokens, step.finish or step.error)
                batcher.release(step.key)
        if all(end for _, end in out.values()):
            return out
    raise AssertionError(f"not finished: {out}")


@contextmanager
def serving(**changes: Any) -> Iterator[tuple[str, Server]]:
    """The server on loopback, ready; its address."""
    server = build(settings(**changes))
    config = uvicorn.Config(server.app, host="127.0.0.1", port=0, log_config=None, lifespan="off")
    web = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(web.serve()))
    server.runtime.start()
    thread.start()
    try:
        deadline = time.monotonic() + 120
        while not (web.started and server.runtime.serving):
            assert time.monotonic() < deadline, server.runtime.failure
            time.sleep(0.01)
        port = web.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}", server
    finally:
        web.should_exit = True
        thread.join(10)
        server.runtime.stop()


def metric(address: str, name: str) -> float:
    """The value of one sample of /metrics, by its full name with labels."""
    for line in httpx.get(f"{address}/metrics", timeout=60).text.splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[1])
    raise AssertionError(f"no metric {name}")
