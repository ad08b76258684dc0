"""A load on one engine: streamed chats at once, and what a client sees of each. A small client of our own, because the
known load tools bring a machine-learning framework with them, which would compete with the engines for this machine."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from ops.errors import UserError

_WORDS = tuple(
    "river stone window garden letter morning captain market bridge winter silver kitchen forest music doctor engine"  # noqa: SIM905
    " island summer paper shadow mountain teacher bottle street harbour yellow picture village thunder blanket".split()
)


@dataclass(frozen=True)
class Route:
    """A way to a model: base URL ending in /v1, key, the model's name there, and whether it holds conversations."""

    endpoint: str
    key: str
    model: str
    chat: bool = True

    @property
    def url(self) -> str:
        """Where a question goes: a base model only continues texts."""
        return f"{self.endpoint}/chat/completions" if self.chat else f"{self.endpoint}/completions"

    def asking(self, question: str) -> dict[str, object]:
        """The fields that carry the question."""
        return {"messages": [{"role": "user", "content": question}]} if self.chat else {"prompt": question}


@dataclass(frozen=True)
class Sample:
    """One answer: seconds to its first token and to its end, tokens read and written."""

    first: float
    total: float
    prompt_tokens: int
    tokens: int

    @property
    def decode(self) -> float:
        """Tokens per second after the first; 0 where there was one only."""
        span = self.total - self.first
        return (self.tokens - 1) / span if self.tokens > 1 and span > 0 else 0.0


@dataclass(frozen=True)
class Group:
    """Answers to requests sent at once, and the seconds until the last one was there."""

    samples: tuple[Sample, ...]
    wall: float

    @property
    def rate(self) -> float:
        """Tokens per second of all streams together, reading the prompts included."""
        return sum(sample.tokens for sample in self.samples) / self.wall


def story(number: int) -> str:
    """A short question with a long answer. Another number is another question, so that no cache has seen it."""
    return f"Story {number}: write a long story about a {_WORDS[number % len(_WORDS)]}. Describe every detail."


def long_text(number: int, words: int) -> str:
    """A prompt of so many words. Another number is another one from its beginning on."""
    text = " ".join(_WORDS[(number * 7 + place * (place % 11 + number)) % len(_WORDS)] for place in range(words))
    return f"Text {number}: {text}. How many words is that?"


def _written(choice: dict[str, Any]) -> str:
    """The piece of the answer in an event, of a conversation or of a continued text."""
    return str(choice.get("delta", {}).get("content") or choice.get("text") or "")


async def _ask(client: httpx.AsyncClient, route: Route, question: str, max_tokens: int) -> Sample:
    body = {
        "model": route.model,
        **route.asking(question),
        "temperature": 0,
        "max_tokens": max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    began, first, usage = time.perf_counter(), 0.0, dict[str, int]()
    headers = {"Authorization": f"Bearer {route.key}"}
    async with client.stream("POST", route.url, json=body, headers=headers) as response:
        if response.status_code != 200:
            said = (await response.aread()).decode(errors="replace")[:200]
            raise UserError(f"'{route.model}' answered {response.status_code}: {said}", harm="it cannot be measured")
        async for line in response.aiter_lines():
            if not line.startswith("data: {"):
                continue
            event = json.loads(line.removeprefix("data: "))
            if not first and any(_written(choice) for choice in event.get("choices", ())):
                first = time.perf_counter() - began
            usage = event.get("usage") or usage
    total = time.perf_counter() - began
    if not usage:
        raise UserError(f"'{route.model}' sent no usage", harm="its tokens cannot be counted")
    return Sample(first or total, total, usage["prompt_tokens"], usage["completion_tokens"])


async def _at_once(route: Route, questions: Sequence[str], max_tokens: int, timeout: float) -> Group:
    limits = httpx.Limits(max_connections=len(questions))
    async with httpx.AsyncClient(timeout=timeout, trust_env=False, limits=limits) as client:
        began = time.perf_counter()
        samples = await asyncio.gather(*(_ask(client, route, question, max_tokens) for question in questions))
        return Group(tuple(samples), time.perf_counter() - began)


def at_once(route: Route, questions: Sequence[str], max_tokens: int, timeout: float = 900) -> Group:
    """Send all questions at the same moment and read every answer to its end. Raises UserError."""
    try:
        return asyncio.run(_at_once(route, questions, max_tokens, timeout))
    except httpx.HTTPError as error:
        raise UserError(
            f"'{route.model}' at {route.endpoint} does not answer: {type(error).__name__} {error}",
            harm="it cannot be measured",
            fix="make smoke shows whether the stack runs",
        ) from None
