"""From a request's tokens to an answer: limits, the place in the queue, and what happens when the client leaves."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request

from .connection import unless_gone
from .errors import ApiError, body, invalid
from .folder import Folder
from .generation import Sampling, Tokens, Work
from .metrics import Metrics
from .outcome import Outcome
from .progress import Generation, NotServing, Piece, QueueFull
from .runtime import Runtime
from .schemas import Common

log = logging.getLogger(__name__)


class Answers:
    """Turns work into answers on one runtime."""

    def __init__(self, runtime: Runtime, folder: Folder, metrics: Metrics) -> None:
        self._runtime, self._folder, self._metrics = runtime, folder, metrics

    def work(self, prompt: Tokens, request: Common, max_tokens: int | None, schema: str | None = None) -> Work:
        """The work of a request. Raises ApiError when the prompt is too long or a wish cannot be met."""
        if (batcher := self._runtime.batcher) is None:
            raise not_serving("loading")
        limit = batcher.context_length
        if len(prompt) >= limit:
            raise invalid(
                f"the prompt has {len(prompt)} tokens, and the context of {limit} tokens has to hold it and at least"
                " one token of answer: shorten it",
                "messages",
                "context_length_exceeded",
            )
        if request.seed is not None and "seed" not in batcher.features:
            raise invalid("seed: the library's batching engine takes none with this model folder; leave it out", "seed")
        return Work(
            prompt=prompt,
            max_tokens=min(max_tokens or limit, limit - len(prompt)),
            sampling=self._sampling(request),
            stop=request.stops,
            schema=schema,
        )

    def _sampling(self, request: Common) -> Sampling:
        """What the request asks for, and the folder's own search settings for the rest."""
        folder = self._folder.search
        asked = (request.temperature, request.top_p, request.top_k)
        # A request that sets top_p alone wants to sample, although the folder's default may be the likeliest token.
        temperature = folder.temperature if asked == (None, None, None) else folder.temperature or 1.0
        return Sampling(
            temperature=temperature if request.temperature is None else request.temperature,
            top_p=folder.top_p if request.top_p is None else request.top_p,
            top_k=folder.top_k if request.top_k is None else request.top_k,
            seed=None if request.seed is None else request.seed % 2**64,
        )

    async def begin(self, request: Request, work: Work) -> tuple[Generation, Piece]:
        """Queue the work and wait for the first piece, so that what is refused gets a status of its own.

        Raises ApiError, or ClientGone.
        """
        try:
            generation = self._runtime.submit(work)
        except QueueFull as full:
            raise ApiError(
                429, "too many requests wait already: try again later", code="queue_full", retry_after=full.retry_after
            ) from None
        except NotServing as reason:
            raise not_serving(str(reason)) from None
        try:
            first = await unless_gone(request.receive, generation.queue.get())
        except BaseException:
            self.cancel(generation)
            raise
        if first.refused:
            raise invalid(first.refused)
        if first.failed:
            raise ApiError(500, "the model has failed: the server is about to be restarted")
        return generation, first

    async def whole(self, request: Request, work: Work) -> tuple[Generation, str, str]:
        """The generation, its whole text and how it ended. Raises ApiError, or ClientGone."""
        generation, piece = await self.begin(request, work)

        async def collect() -> tuple[str, str]:
            text, last = [piece.text], piece
            while not last.finish:
                last = await generation.queue.get()
                if last.refused or last.failed:
                    raise ApiError(500, last.refused or "the model has failed: the server is about to be restarted")
                text.append(last.text)
            return "".join(text), last.finish

        try:
            text, finish = await unless_gone(request.receive, collect())
        except BaseException:
            self.cancel(generation)
            raise
        self.ended(generation, "length" if finish == "length" else "stop")
        return generation, text, finish

    async def pieces(self, generation: Generation, first: Piece) -> AsyncIterator[list[Piece]]:
        """The pieces of an answer, those that came together in one list; the last one has an end."""
        batch = [first]
        while True:
            yield batch
            if batch[-1].finish or batch[-1].refused or batch[-1].failed:
                return
            batch = [await generation.queue.get()]
            while not generation.queue.empty():
                batch.append(generation.queue.get_nowait())

    def cancel(self, generation: Generation) -> None:
        """The client has left."""
        if not generation.ended:
            self.ended(generation, "cancelled")
        self._runtime.cancel(generation)

    def ended(self, generation: Generation, outcome: Outcome) -> None:
        """Count an answer, and log all of it that is not content."""
        seconds = time.monotonic() - generation.arrived
        self._metrics.requests.labels(outcome).inc()
        self._metrics.duration.observe(seconds)
        log.info(
            "request",
            extra={
                "outcome": outcome,
                "prompt_tokens": len(generation.work.prompt),
                "cached_tokens": generation.cached,
                "generated_tokens": generation.generated,
                "seconds": round(seconds, 3),
            },
        )

    @staticmethod
    def usage(generation: Generation) -> dict[str, Any]:
        """Token counts in OpenAI's form."""
        prompt = len(generation.work.prompt)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": generation.generated,
            "total_tokens": prompt + generation.generated,
            "prompt_tokens_details": {"cached_tokens": generation.cached},
        }


def not_serving(why: str) -> ApiError:
    """The answer while nothing is served."""
    texts = {
        "loading": "the model is being loaded: try again in a moment",
        "draining": "the server is shutting down and takes no new requests",
        "failed": "the model has failed: the server is about to be restarted",
    }
    return ApiError(503, texts[why], code=why, retry_after=5)


def event_error(piece: Piece) -> dict[str, Any]:
    """The event that ends a stream whose answer failed midway."""
    return body(500, piece.refused or "the model has failed: the server is about to be restarted")
