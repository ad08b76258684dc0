"""Each check of `make smoke` fails on exactly what it is about, and knows what it may expect of a model."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, get_args

import httpx
import pytest

from components.engines.base import Capability
from ops.smoke.api import Api
from ops.smoke.checks import CHECKS, CIRCLE_TOOL, TRAIN_ANSWER, Result, run_check
from ops.smoke.subjects import Subject

pytestmark = pytest.mark.unit

ALL = frozenset(get_args(Capability))
LARGE = Subject("chat", "vllm", "big", frozenset({"chat", "tools", "code", "reasoning"}), 3_800_000_000, 100, ALL)
SMALL = Subject("chat", "vllm", "small", frozenset({"chat"}), 1_000_000, 100, ALL)
BASE = Subject("chat", "vllm", "base", frozenset(), 270_000_000, 100, ALL)
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
CALL = {"id": "call_1", "type": "function", "function": {"name": "calculate_circle_area", "arguments": '{"radius": 5}'}}
ERROR = {"error": {"message": "no", "type": "invalid_request_error", "param": None, "code": "x"}}


def answer(text: str | None = "80", reason: str = "stop", usage: Any = USAGE, **message: Any) -> httpx.Response:
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": reason}
    return httpx.Response(200, json={"object": "chat.completion", "choices": [choice], "usage": usage})


def event(usage: Any = None, **choice: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": None, **choice}] if choice else [], "usage": usage}


PIECES = [
    event(delta={"role": "assistant"}),
    event(delta={"content": "1, 2"}),
    event(finish_reason="length"),
    event(usage=USAGE),
]


def streamed(events: list[dict[str, Any]], end: str = "data: [DONE]\n\n") -> httpx.Response:
    return httpx.Response(200, text="".join(f"data: {json.dumps(e)}\n\n" for e in events) + end)


def check(
    name: str,
    reply: httpx.Response | Callable[[httpx.Request], httpx.Response],
    subject: Subject = LARGE,
    runner: Callable[[str], str] | None = lambda _: "",
) -> Result:
    """The row of one check when the gateway answers like this."""
    transport = httpx.MockTransport(reply if callable(reply) else lambda _: reply)
    (chosen,) = (c for c in CHECKS if c.name == name)
    return run_check(chosen, Api("http://gateway/v1", "the-key", transport=transport), subject, runner)


@pytest.mark.parametrize("text", ["80", "It is 80.", "240 / 3 = 80"])
def test_the_right_number_passes_on_content(text: str) -> None:
    assert check("arithmetic", answer(text)) == Result("arithmetic", "pass", "content", text)


@pytest.mark.parametrize("text", ["8", "180", "eighty", "8 0"])
def test_a_wrong_number_fails_a_model_that_is_up_to_it_and_no_smaller_one(text: str) -> None:
    assert check("arithmetic", answer(text)).verdict == "fail"
    assert (check("arithmetic", answer(text), SMALL).verdict, check("arithmetic", answer(text), SMALL).level) == (
        "pass",
        "protocol",
    )


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (answer(""), "empty"),
        (answer(None), "no text"),
        (answer(usage=None), "usage is missing"),
        (answer(usage={**USAGE, "total_tokens": 9}), "does not add up"),
        (answer(usage={"prompt_tokens": 5}), "incomplete"),
        (answer(reason="done"), "finish_reason"),
        (httpx.Response(200, json={"choices": [], "usage": USAGE}), "0 choices"),
        (httpx.Response(200, text="<html>"), "not JSON"),
        (httpx.Response(200, json=[]), "not a JSON object"),
        (httpx.Response(503, json=ERROR), "answered 503"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_broken_form_fails_every_model(reply: httpx.Response, words: str) -> None:
    for subject in (LARGE, SMALL):
        found = check("arithmetic", reply, subject)
        assert (found.verdict, found.level) == ("fail", "protocol")
        assert words in found.words


def test_no_answer_is_a_failed_check_and_no_traceback() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    assert check("arithmetic", refuse).verdict == "fail"


def test_a_base_model_is_asked_to_complete_text() -> None:
    asked: list[httpx.Request] = []

    def reply(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"choices": [{"text": " 81", "finish_reason": "stop"}], "usage": USAGE})

    assert check("arithmetic", reply, BASE).verdict == "pass"
    assert asked[0].url.path == "/v1/completions"
    assert "messages" not in json.loads(asked[0].content)


@pytest.mark.parametrize(
    "text", ["2.4 hours", "$2.4$", "2 hours and 24 minutes", "2 h 24 min", "144 minutes", "= 12/5 hours", "2.40 h"]
)
def test_every_spelling_of_the_journey_is_right(text: str) -> None:
    assert TRAIN_ANSWER.search(text)


@pytest.mark.parametrize("text", ["3 hours", "2.45 hours", "24 hours", "1.44", "12.4"])
def test_another_journey_is_wrong(text: str) -> None:
    assert not TRAIN_ANSWER.search(text)
    assert check("reasoning", answer(text)).verdict == "fail"


def test_code_passes_only_when_it_ran() -> None:
    assert check("code that runs", answer("def fibonacci(n): ..."), runner=lambda _: "").verdict == "pass"
    found = check("code that runs", answer("def fibonacci(n): ..."), runner=lambda _: "fibonacci(2) gave None")
    assert (found.verdict, found.words) == ("fail", "fibonacci(2) gave None")


def test_code_that_nothing_here_can_run_is_not_called_wrong_and_says_so() -> None:
    found = check("code that runs", answer("def fibonacci(n): ..."), runner=None)
    assert (found.verdict, found.words) == ("pass", "answered; not run: no Docker engine here")


def called(arguments: str = '{"radius": 5}', name: str = "calculate_circle_area", **more: Any) -> httpx.Response:
    call = {**CALL, "function": {"name": name, "arguments": arguments}, **more}
    return answer(None, "tool_calls", tool_calls=[call])


def test_the_right_tool_with_the_right_argument_passes() -> None:
    sent: list[dict[str, Any]] = []

    def reply(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return called()

    assert check("tool call", reply).verdict == "pass"
    assert sent[0]["tools"] == [CIRCLE_TOOL]
    assert sent[0]["tool_choice"] == "required"


@pytest.mark.parametrize(
    ("reply", "level"),
    [
        (called('{"radius": 4}'), "content"),
        (called('{"radius": {"type": "number"}}'), "content"),
        (called("[5]"), "content"),
        (called(name="area"), "content"),
        (answer("It is 78.5"), "content"),
        (called("radius: 5"), "protocol"),
        (called(id=None), "protocol"),
        (answer(None, "stop", tool_calls=[CALL]), "protocol"),
    ],
)
def test_another_call_fails(reply: httpx.Response, level: str) -> None:
    found = check("tool call", reply)
    assert (found.verdict, found.level) == ("fail", level)


def test_what_the_engine_cannot_do_is_not_asked() -> None:
    subject = Subject("chat", "onnx", "m", frozenset({"chat"}), None, None, ALL - {"tools"})
    found = check("tool call", httpx.Response(500), subject)
    assert (found.verdict, found.words) == ("not supported", "onnx has no tools")


def test_a_stream_in_order_passes() -> None:
    found = check("streaming", streamed(PIECES))
    assert found.verdict == "pass", found
    assert found.words.startswith("1 pieces")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (streamed(PIECES[1:]), "role"),
        (streamed([*PIECES[:2], *PIECES[3:]]), "finish_reason"),
        (streamed([PIECES[0], PIECES[2], PIECES[2], PIECES[3]]), "finish_reason"),
        (streamed(PIECES[:3]), "usage is missing"),
        (streamed(PIECES, end=""), "[DONE]"),
        (streamed(PIECES, end='data: [DONE]\n\ndata: {"choices": []}\n\n'), "after [DONE]"),
        (streamed([]), "no choices"),
        (httpx.Response(400, json=ERROR), "answered 400"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_stream_in_another_order_fails(reply: httpx.Response, words: str) -> None:
    found = check("streaming", reply)
    assert found.verdict == "fail"
    assert words in found.words


@pytest.mark.parametrize(("name", "status"), [("too long a prompt", 400), ("unknown model", 404), ("wrong key", 401)])
def test_a_refusal_needs_its_status_and_openais_form(name: str, status: int) -> None:
    assert check(name, httpx.Response(status, json=ERROR)).words == f"{status}: no"
    assert check(name, answer()).verdict == "fail", "an answer instead of a refusal"
    assert check(name, httpx.Response(status, json={"detail": "no"})).verdict == "fail"
    assert check(name, httpx.Response(500, json=ERROR)).verdict == "fail"


def test_too_long_a_prompt_is_longer_than_the_context_in_words_and_in_bytes() -> None:
    sent: list[bytes] = []

    def reply(request: httpx.Request) -> httpx.Response:
        sent.append(request.content)
        return httpx.Response(400, json=ERROR)

    check("too long a prompt", reply)
    assert sent[0].count(b"word") == 2 * (LARGE.context or 0)


def test_the_wrong_key_is_not_the_right_one() -> None:
    seen: list[str] = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        return httpx.Response(401, json=ERROR)

    check("wrong key", reply)
    assert seen != ["Bearer the-key"]
