"""Answers in pieces."""

from __future__ import annotations

import time

import openai
import pytest

from tests.conformance.registry import check
from tests.conformance.target import COUNT, Target

NUMBERS = "Write the numbers from 1 to 30, separated by commas."


@check
def a_stream_has_its_order(target: Target) -> None:
    chunks = target.pieces(COUNT, stream_options={"include_usage": True})
    *told, last = chunks
    assert {c.object for c in chunks} == {"chat.completion.chunk"}
    assert {c.model for c in chunks} == {target.model}
    assert len({c.id for c in chunks}) == 1
    assert told[0].choices[0].delta.role == "assistant", "the role comes first"
    reasons = [c.choices[0].finish_reason for c in told]
    assert reasons[-1] in ("stop", "length")
    assert not any(reasons[:-1]), "the reason comes once, last"
    assert not any(c.usage for c in told), "the usage comes once"
    assert last.choices == []
    assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens


@check
def a_stream_ends_with_done(target: Target) -> None:
    with target.http() as client:
        answer = client.post("/v1/chat/completions", json=target.body(stream=True))
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = [line for line in answer.text.splitlines() if line]
    assert lines[-1] == "data: [DONE]"
    assert all(line.startswith(("data: ", ":")) for line in lines)


@check
def without_being_asked_a_stream_has_no_usage_chunk(target: Target) -> None:
    assert all(chunk.choices for chunk in target.pieces())


@check
def a_stream_says_the_same_as_one_piece(target: Target) -> None:
    streamed = "".join(c.choices[0].delta.content or "" for c in target.pieces(COUNT))
    assert streamed == target.text(COUNT)


@check
def usage_of_a_stream_is_that_of_one_piece(target: Target) -> None:
    streamed, whole = target.pieces(COUNT, stream_options={"include_usage": True})[-1].usage, target.chat(COUNT).usage
    assert whole
    assert (streamed.prompt_tokens, streamed.completion_tokens) == (whole.prompt_tokens, whole.completion_tokens)


@check
def pieces_arrive_as_they_are_made(target: Target) -> None:
    body = target.body(NUMBERS, max_tokens=24)
    began, times = time.monotonic(), []
    for chunk in target.client.chat.completions.create(**body, stream=True):
        if chunk.choices and chunk.choices[0].delta.content:
            times.append(time.monotonic() - began)
    if target.talks:
        assert len(times) > 6
        assert times[-1] - times[0] > 0.05, "all pieces came at once: something holds them back"


@check
def text_is_completed_in_pieces(target: Target) -> None:
    asked = {"model": target.model, "prompt": "1, 2, 3, 4,", "max_tokens": 8, "temperature": 0}
    chunks = list(target.client.completions.create(**asked, stream=True))
    whole = target.client.completions.create(**asked)
    assert "".join(c.choices[0].text for c in chunks if c.choices) == whole.choices[0].text
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] in ("stop", "length")


@check
def a_refused_stream_is_a_status_and_no_stream(target: Target) -> None:
    with pytest.raises(openai.BadRequestError):
        target.client.chat.completions.create(**target.body(temperature=9), stream=True)
