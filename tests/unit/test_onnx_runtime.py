"""The model's thread and its queue: limits, cancelling, draining, failing. The batcher is a stand-in with no model."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Hashable

import pytest

from servers.onnx.slm_onnx import runtime as runtime_module
from servers.onnx.slm_onnx.generation import Refused, Step, Work
from servers.onnx.slm_onnx.metrics import Metrics
from servers.onnx.slm_onnx.progress import Generation, NotServing, QueueFull
from servers.onnx.slm_onnx.runtime import Runtime
from tests.unit.onnx_harness import work

pytestmark = pytest.mark.unit


class Letters:
    """Turns the token 1 into a, 2 into b, and so on."""

    def decode(self, token: int) -> str:
        return chr(96 + token)


class Stand:
    """A batcher of two places whose steps wait until they are let through."""

    provider, batching, places, context_length, kv_capacity_tokens = "cpu", "stand", 2, 100, 200
    features = frozenset()

    def __init__(self) -> None:
        self.works: dict[Hashable, Work] = {}
        self.made: dict[Hashable, int] = {}
        self.released: list[Hashable] = []
        self.gate = threading.Semaphore(0)
        self.fail = False

    def has_room(self) -> bool:
        return len(self.works) < 2

    def admit(self, key: Hashable, work: Work) -> int:
        if work.schema:
            raise Refused("no such schema")
        self.works[key], self.made[key] = work, 0
        return 0

    def step(self) -> list[Step]:
        self.gate.acquire(timeout=60)
        if self.fail:
            raise RuntimeError("out of memory")
        done = []
        for key, asked in self.works.items():
            self.made[key] += 1
            done.append(Step(key, self.made[key], "length" if self.made[key] == asked.max_tokens else None))
        return done

    def release(self, key: Hashable) -> None:
        del self.works[key]
        self.released.append(key)

    def kv_used_tokens(self) -> int:
        return len(self.works)

    def batch_size(self) -> int:
        return len(self.works)


async def started(stand: Stand, max_queue: int = 1) -> Runtime:
    made = Runtime(lambda: stand, Letters, Metrics(max_queue), max_queue)
    made.start()
    await until(lambda: made.serving)
    return made


async def until(condition: object) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "did not happen"
        await asyncio.sleep(0.01)


async def both_in(stand: Stand) -> None:
    """Two requests have their places. The first may have begun alone: then one step, and no more, lets the other in."""
    await until(lambda: stand.works)
    if len(stand.works) < 2:
        stand.gate.release()
    await until(lambda: len(stand.works) == 2)


async def text(generation: Generation) -> str:
    return "".join([piece.text async for piece in generation.pieces()])


def test_a_full_queue_is_refused_and_says_when_to_come_again() -> None:
    async def run() -> None:
        stand = Stand()
        model = await started(stand)
        running = [model.submit(work([1], 3)) for _ in range(2)]
        await both_in(stand)
        waiting = model.submit(work([1], 3))
        with pytest.raises(QueueFull) as full:
            model.submit(work([1], 3))
        assert full.value.retry_after >= 1
        stand.gate.release(20)
        assert await text(waiting) == "abc"
        assert {await text(one) for one in running} == {"abc"}
        model.stop()

    asyncio.run(run())


def test_a_cancelled_answer_frees_its_place_after_the_step() -> None:
    async def run() -> None:
        stand = Stand()
        model = await started(stand)
        one = model.submit(work([1], 50))
        stand.gate.release(2)
        await one.queue.get()
        model.cancel(one)
        stand.gate.release(2)
        await until(lambda: stand.released == [one])
        assert stand.made[one] <= 5
        assert not model.busy
        model.cancel(one)
        model.stop()

    asyncio.run(run())


def test_who_waits_can_leave_too() -> None:
    async def run() -> None:
        stand = Stand()
        model = await started(stand)
        running = [model.submit(work([1], 6)) for _ in range(2)]
        await both_in(stand)
        waiting = model.submit(work([1], 6))
        model.cancel(waiting)
        stand.gate.release(20)
        for one in running:
            assert await text(one) == "abcdef"
        await until(lambda: not model.busy)
        assert waiting not in stand.made
        model.stop()

    asyncio.run(run())


def test_a_stop_sequence_over_several_tokens_ends_the_answer_and_frees_the_place() -> None:
    async def run() -> None:
        stand = Stand()
        model = await started(stand)
        one = model.submit(work([1], 20, stop=("cd",)))
        stand.gate.release(30)
        pieces = [piece async for piece in one.pieces()]
        assert "".join(piece.text for piece in pieces) == "ab"
        assert pieces[-1].finish == "stop"
        assert stand.released == [one]
        model.stop()

    asyncio.run(run())


def test_what_the_batcher_refuses_is_said_and_others_go_on() -> None:
    async def run() -> None:
        stand = Stand()
        model = await started(stand)
        wrong, right = model.submit(work([1], 2, schema="{")), model.submit(work([1], 2))
        stand.gate.release(10)
        assert [piece.refused async for piece in wrong.pieces()] == ["no such schema"]
        assert await text(right) == "ab"
        model.stop()

    asyncio.run(run())


def test_a_failed_model_ends_every_answer_and_shows() -> None:
    async def run() -> None:
        stand = Stand()
        model = await started(stand)
        one = model.submit(work([1], 5))
        stand.fail = True
        stand.gate.release(5)
        assert [piece.failed async for piece in one.pieces()][-1]
        assert not model.alive
        assert not model.serving
        with pytest.raises(NotServing, match="failed"):
            model.submit(work([1], 5))

    asyncio.run(run())


def test_a_model_that_cannot_be_loaded_never_serves() -> None:
    def make() -> Stand:
        raise RuntimeError("no such folder")

    async def run() -> None:
        model = Runtime(make, Letters, Metrics(1), 1)
        model.start()
        await until(lambda: not model.alive)
        assert not model.serving

    asyncio.run(run())


def test_draining_finishes_what_is_in_and_takes_nothing_new() -> None:
    async def run() -> None:
        stand = Stand()
        model = await started(stand)
        one = model.submit(work([1], 4))
        model.drain()
        with pytest.raises(NotServing, match="draining"):
            model.submit(work([1], 4))
        assert model.alive
        assert model.busy
        stand.gate.release(10)
        assert await text(one) == "abcd"
        await until(lambda: not model.busy)
        model.stop()

    asyncio.run(run())


def test_a_step_that_never_ends_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        stand = Stand()
        model = await started(stand)
        one = model.submit(work([1], 4))
        await until(lambda: stand.works)
        assert model.alive
        monkeypatch.setattr(runtime_module, "HUNG_SECONDS", -1)
        assert not model.alive
        monkeypatch.undo()
        stand.gate.release(10)
        await text(one)
        model.stop()

    asyncio.run(run())
