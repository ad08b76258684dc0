"""One answer on its way from the model's thread to the event loop that waits for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from .generation import Finish, Work
from .text import Detokenizer, StopFilter


class QueueFull(Exception):
    """No more requests may wait; `retry_after` is a guess, in seconds, when one may."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("the queue is full")
        self.retry_after = retry_after


class NotServing(Exception):
    """The server takes no requests now: it is loading, draining or broken."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of an answer: text, and at the end how it ended. `refused`: the request could not be done, and why."""

    text: str
    finish: Finish | None = None
    refused: str | None = None
    failed: bool = False


@dataclass(eq=False)
class Generation:
    """One answer on its way. Read it with `pieces`; `Runtime.cancel` ends it early."""

    work: Work
    loop: asyncio.AbstractEventLoop
    detokenizer: Detokenizer
    arrived: float = field(default_factory=time.monotonic)
    generated: int = 0
    cached: int = 0
    cancelled: bool = False
    ended: bool = False
    last_token: float | None = None
    queue: asyncio.Queue[Piece] = field(default_factory=asyncio.Queue)
    filter: StopFilter = field(init=False)

    def __post_init__(self) -> None:
        self.filter = StopFilter(self.work.stop)

    async def pieces(self) -> AsyncIterator[Piece]:
        """The answer as it comes; the last piece has an end."""
        while True:
            piece = await self.queue.get()
            yield piece
            if piece.finish or piece.refused or piece.failed:
                return


def deliver(out: list[tuple[Generation, Piece]]) -> None:
    """Hand out what came of a step: each event loop is woken once."""

    def put(pieces: list[tuple[Generation, Piece]]) -> None:
        for generation, piece in pieces:
            generation.queue.put_nowait(piece)

    loops: dict[asyncio.AbstractEventLoop, list[tuple[Generation, Piece]]] = {}
    for generation, piece in out:
        loops.setdefault(generation.loop, []).append((generation, piece))
    for loop, pieces in loops.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(put, pieces)
