"""The end of the context, and what happens to a request nobody waits for any more."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from tests.conformance.registry import check
from tests.conformance.streams import NUMBERS
from tests.conformance.target import Target

SECONDS = 10
"""A refusal needs no model, and a freed place no wait: both come at once, even on a busy machine."""


@check
def a_prompt_beyond_the_context_is_refused_at_once(target: Target) -> None:
    began = time.monotonic()
    with pytest.raises(openai.BadRequestError) as refused:
        target.chat("word " * 2 * target.context)
    assert time.monotonic() - began < SECONDS
    assert "context" in refused.value.message or "token" in refused.value.message


@check
def a_stream_beyond_the_context_is_refused_too(target: Target) -> None:
    with pytest.raises(openai.BadRequestError):
        target.pieces("word " * 2 * target.context)


@check
def text_beyond_the_context_is_refused_too(target: Target) -> None:
    with pytest.raises(openai.BadRequestError):
        target.client.completions.create(model=target.model, prompt="word " * 2 * target.context, max_tokens=1)


@check
def a_cancelled_request_frees_its_place(target: Target) -> None:
    began = time.monotonic()
    target.text(max_tokens=2)
    usual = time.monotonic() - began

    def leave(_: int) -> None:
        # An essay would take minutes; whoever leaves after its first words must not keep the place.
        with target.http() as client:
            body = target.body(NUMBERS.replace("30", "300"), max_tokens=target.context // 2, stream=True)
            with client.stream("POST", "/v1/chat/completions", json=body) as answer:
                assert answer.status_code == 200
                next(answer.iter_lines())

    with ThreadPoolExecutor(target.concurrency) as pool:
        list(pool.map(leave, range(target.concurrency)))
    began = time.monotonic()
    target.text(max_tokens=2)
    assert time.monotonic() - began < max(SECONDS, 5 * usual)


@check
def four_at_once_get_each_their_own_answer(target: Target) -> None:
    numbers = (11, 37, 52, 94)
    with ThreadPoolExecutor(len(numbers)) as pool:
        asked = [pool.submit(target.chat, f"Repeat the number {number} and nothing else.") for number in numbers]
        answers = [each.result() for each in asked]
    assert len({answer.id for answer in answers}) == len(numbers)
    if target.talks:
        for number, answer in zip(numbers, answers, strict=True):
            assert str(number) in (answer.choices[0].message.content or "")
