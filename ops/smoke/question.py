"""One question through the gateway, and the measure of its answer."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

import httpx

from ops.errors import UserError

QUESTION = "What is 240 divided by 3? Answer with the number only."
ANSWER = "80"


@dataclass(frozen=True)
class Answer:
    """A model's answer: its text, tokens, and times in seconds (`first` is the time to first token, TTFT)."""

    text: str
    tokens: int
    first: float
    total: float

    @property
    def tokens_per_second(self) -> float:
        """Decode speed: tokens after the first over the time after the first; 0 where there was only one."""
        span = self.total - self.first
        return (self.tokens - 1) / span if self.tokens > 1 and span > 0 else 0.0


def ask(
    endpoint: str,
    key: str,
    model: str,
    question: str = QUESTION,
    *,
    chat: bool = True,
    max_tokens: int = 64,
    timeout: float = 300,
    transport: httpx.BaseTransport | None = None,
) -> Answer:
    """Stream one answer; a base model, which has no `chat`, completes the question's text instead.

    `transport` is how the gateway is reached where its address alone does not do; it is used up.
    Raises UserError with the gateway's own words when it is refused.
    """
    messages = [{"role": "user", "content": question}]
    path = "/chat/completions" if chat else "/completions"
    body = {
        "model": model,
        **({"messages": messages} if chat else {"prompt": question}),
        "temperature": 0,
        "max_tokens": max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    start, first, text, tokens = time.perf_counter(), 0.0, "", 0
    try:
        with (
            httpx.Client(timeout=timeout, trust_env=False, transport=transport) as client,
            client.stream(
                "POST", f"{endpoint}{path}", json=body, headers={"Authorization": f"Bearer {key}"}
            ) as response,
        ):
            if response.status_code != 200:
                raise UserError(
                    f"the gateway answered {response.status_code}: {response.read().decode(errors='replace')[:300]}",
                    harm="the stack does not serve",
                    fix="docker ps shows which container is unhealthy; docker logs NAME says why",
                )
            for line in response.iter_lines():
                if not line.startswith("data: ") or line == "data: [DONE]":
                    continue
                event = json.loads(line.removeprefix("data: "))
                choice = event["choices"][0] if event.get("choices") else {}
                piece = choice.get("delta", {}).get("content") if chat else choice.get("text")
                if piece:
                    first = first or time.perf_counter() - start
                    text += piece
                tokens = (event.get("usage") or {}).get("completion_tokens", tokens)
    except httpx.HTTPError as error:
        raise UserError(
            f"the gateway at {endpoint} does not answer: {error}",
            harm="the stack does not serve",
            fix="docker ps -a shows whether its container runs; make up starts what is missing",
        ) from None
    return Answer(text.strip(), tokens, first, time.perf_counter() - start)
