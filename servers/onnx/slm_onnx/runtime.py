"""The thread that owns the model, the queue before it, and the way of its tokens back to the event loop."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from .generation import Batcher, Refused, Step, Work
from .metrics import Metrics
from .progress import Generation, NotServing, Piece, QueueFull, deliver
from .text import Detokenizer

log = logging.getLogger(__name__)

HUNG_SECONDS = 300
"""A step that takes longer never ends: reading a long prompt in one go is the slowest that is known."""


class Runtime:
    """Runs a batcher in one thread. `submit` and `cancel` are called from event loops, `start` once."""

    def __init__(
        self,
        make: Callable[[], Batcher],
        detokenizer: Callable[[], Detokenizer],
        metrics: Metrics,
        max_queue: int,
        warm_up: Work | None = None,
    ) -> None:
        self._make, self._detokenizer, self._metrics = make, detokenizer, metrics
        self._max_queue, self._warm_up = max_queue, warm_up
        self._wake = threading.Condition()
        self._waiting: deque[Generation] = deque()
        self._running: set[Generation] = set()
        self._cancelled: list[Generation] = []
        self._stopping = False
        self._draining = False
        self._seconds = 1.0
        self._last_step = time.monotonic()
        self.batcher: Batcher | None = None
        self.failure: Exception | None = None
        self._thread = threading.Thread(target=self._live, name="model", daemon=True)

    def start(self) -> None:
        """Load the model, generate one token, then serve; returns at once."""
        self._thread.start()

    def stop(self, seconds: float = 10) -> None:
        """End the thread after its current step."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def drain(self) -> None:
        """Take no more requests; those that are in go on."""
        self._draining = True
        self._metrics.ready.set(0)

    @property
    def draining(self) -> bool:
        """Whether the server is about to end."""
        return self._draining

    @property
    def alive(self) -> bool:
        """False once the model's thread has ended although nobody asked for it, or hangs in a step."""
        if self.failure is not None or (self._running and time.monotonic() - self._last_step > HUNG_SECONDS):
            return False
        return self._stopping or not self._thread.ident or self._thread.is_alive()

    @property
    def serving(self) -> bool:
        """Whether requests are taken: a first token was generated, and nothing ended it."""
        return self.batcher is not None and self.failure is None and not self._draining and not self._stopping

    @property
    def busy(self) -> bool:
        """Whether any answer is still on its way."""
        with self._wake:
            return bool(self._waiting or self._running)

    def submit(self, work: Work) -> Generation:
        """Queue a request of the running event loop. Raises NotServing or QueueFull."""
        if not self.serving:
            raise NotServing("draining" if self._draining else "failed" if self.failure else "loading")
        generation = Generation(work, asyncio.get_running_loop(), self._detokenizer())
        with self._wake:
            assert self.batcher is not None  # noqa: S101
            if len(self._waiting) + len(self._running) >= self.batcher.places + self._max_queue:
                raise QueueFull(max(1, round(self._seconds)))
            self._waiting.append(generation)
            self._gauges()
            self._wake.notify_all()
        return generation

    def cancel(self, generation: Generation) -> None:
        """End an answer; its place is free after the current step. Harmless when it has ended already."""
        with self._wake:
            if generation.ended or generation.cancelled:
                return
            generation.cancelled = True
            self._cancelled.append(generation)
            self._wake.notify_all()

    def _live(self) -> None:
        started = time.monotonic()
        try:
            batcher = self._make()
            if self._warm_up is not None:
                _warm(batcher, self._warm_up)
            self._metrics.load.set(time.monotonic() - started)
            self._metrics.cache_capacity.set(batcher.kv_capacity_tokens)
            self.batcher = batcher
            self._metrics.ready.set(0 if self._draining else 1)
            while self._turn(batcher):
                pass
        except Exception as error:
            self.failure = error
            self._metrics.ready.set(0)
            log.error("the model has failed", extra={"error": type(error).__name__, "reason": str(error)[:500]})
            with self._wake:
                lost = [*self._waiting, *self._running]
                self._waiting.clear()
                self._running.clear()
            deliver([(generation, Piece("", failed=True)) for generation in lost])

    def _turn(self, batcher: Batcher) -> bool:
        """One step of the model, and what goes before it. False when the thread has to end."""
        with self._wake:
            while not (self._stopping or self._waiting or self._running or self._cancelled):
                self._wake.wait()
            if self._stopping:
                return False
            for cancelled in self._cancelled:
                self._forget(batcher, cancelled)
            self._cancelled.clear()
        out = []
        while (generation := self._next(batcher)) is not None:
            # Outside the lock: a schema may take long to compile, and requests must be able to queue meanwhile.
            if reason := self._admit(batcher, generation):
                out.append((generation, Piece("", refused=reason)))
        self._last_step = time.monotonic()
        if self._running:
            for step in batcher.step():
                assert isinstance(step.key, Generation)  # noqa: S101
                if (piece := self._piece(batcher, step.key, step)) is not None:
                    out.append((step.key, piece))
            if size := batcher.batch_size():
                self._metrics.batch.observe(size)
        if out:
            deliver(out)
        with self._wake:
            self._gauges()
        return True

    def _next(self, batcher: Batcher) -> Generation | None:
        with self._wake:
            if not self._waiting or not batcher.has_room():
                return None
            generation = self._waiting.popleft()
            self._running.add(generation)
            return generation

    def _admit(self, batcher: Batcher, generation: Generation) -> str | None:
        try:
            generation.cached = batcher.admit(generation, generation.work)
        except Refused as refused:
            self._running.discard(generation)
            generation.ended = True
            return str(refused)
        self._metrics.prompt_tokens.inc(len(generation.work.prompt))
        self._metrics.cached_tokens.inc(generation.cached)
        return None

    def _piece(self, batcher: Batcher, generation: Generation, step: Step) -> Piece | None:
        """What the client gets of a step, None when nothing comes of it yet."""
        if generation not in self._running:
            return None
        if step.error is not None:
            self._forget(batcher, generation)
            log.warning("a request failed", extra={"reason": step.error})
            return Piece("", refused=step.error)
        text, finish = "", step.finish
        if step.token is not None:
            self._count(generation)
            text, met = generation.filter.push(generation.detokenizer.decode(step.token))
            finish = "stop" if met else finish
        if finish is None:
            return Piece(text) if text else None
        text += generation.filter.rest()
        self._forget(batcher, generation)
        self._seconds = 0.8 * self._seconds + 0.2 * (time.monotonic() - generation.arrived)
        return Piece(text, finish)

    def _count(self, generation: Generation) -> None:
        now = time.monotonic()
        if generation.last_token is None:
            self._metrics.first_token.observe(now - generation.arrived)
        else:
            self._metrics.inter_token.observe(now - generation.last_token)
        generation.last_token = now
        generation.generated += 1
        self._metrics.generated_tokens.inc()

    def _forget(self, batcher: Batcher, generation: Generation) -> None:
        generation.ended = True
        if generation in self._running:
            batcher.release(generation)
            self._running.discard(generation)
        elif generation in self._waiting:
            self._waiting.remove(generation)

    def _gauges(self) -> None:
        self._metrics.waiting.set(len(self._waiting))
        self._metrics.running.set(len(self._running))
        if self.batcher is not None:
            self._metrics.cache_used.set(self.batcher.kv_used_tokens())


def _warm(batcher: Batcher, work: Work) -> None:
    """Generate until a first token or end has come: the model answers. Raises RuntimeError when it does not."""
    key = "warm-up"
    batcher.admit(key, work)
    for _ in range(len(work.prompt) + 8):
        for step in batcher.step():
            if step.error:
                raise RuntimeError(step.error)
            if step.token is not None or step.finish:
                batcher.release(key)
                return
    raise RuntimeError("the model gave no token")
