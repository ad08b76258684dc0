"""The gateway's line of a request: what is known stands in it, and what must not is nowhere in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from components.gateway import Limits, render
from tests.docker.gateway_harness import CHAT, KEYS, MODEL, Running, body, by_turns, gateway, until

pytestmark = pytest.mark.docker

CANARY = "canary-of-a-prompt-91c3a7"


@pytest.fixture(scope="module", params=["bookworm", "trixie"], ids=["2.6", "3.0"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    limits = Limits(check_seconds=1, client_seconds=2, response_seconds=60, requests_per_minute=100_000)
    with gateway(request.param, tmp_path_factory.mktemp("log") / "files", limits) as made:
        yield made


def lines(running: Running) -> list[dict[str, Any]]:
    """All lines about requests; each must be whole."""
    return [json.loads(line) for line in running.log().splitlines() if line.startswith("{")]


def line_of(running: Running, request_id: str) -> dict[str, Any]:
    until(lambda: any(line["id"] == request_id for line in lines(running)), 30, "the line of the request")
    [found] = [line for line in lines(running) if line["id"] == request_id]
    return found


def prompt(**more: Any) -> dict[str, Any]:
    return body(messages=[{"role": "user", "content": CANARY}], **more)


def test_a_whole_answer_has_its_model_its_key_and_its_tokens(running: Running) -> None:
    with running.client() as client:
        answer = client.post(CHAT, json=prompt(prompt_tokens=7))
    line = line_of(running, answer.headers["x-request-id"])
    assert running.engine.seen[-1].headers["x-request-id"] == line["id"], "client, log and engine have one id"
    assert (line["key"], line["model"], line["to"], line["status"]) == ("alice", MODEL, "engine-chat", 200)
    assert (line["tokens_in"], line["tokens_out"], line["ttft_ms"]) == (7, None, None)
    assert (line["path"], line["refused"]) == (CHAT, "-")
    assert line["bytes_in"] > len(CANARY)
    assert line["total_ms"] >= 0


def test_a_stream_has_the_time_to_its_first_byte(running: Running) -> None:
    with running.client() as client, client.stream("POST", CHAT, json=prompt(stream=True, n=3, pause=1)) as answer:
        answer.read()
    line = line_of(running, answer.headers["x-request-id"])
    # The engine ends three seconds after its first piece. Half of that is left to a machine that is busy just then.
    assert 0 <= line["ttft_ms"] <= line["total_ms"] - 1500
    assert line["tokens_in"] is None


def test_each_piece_of_a_stream_still_leaves_at_once(running: Running) -> None:
    asked = prompt(stream=True, user="turns", n=4)
    with running.client() as client, client.stream("POST", CHAT, json=asked) as answer:
        assert len(by_turns(answer, running.engine, 4)) == 4


@pytest.mark.parametrize(
    ("key", "asked", "code"),
    [
        ("nobody-has-this-key-of-forty-characters", MODEL, "invalid_api_key"),
        (KEYS["alice"], CANARY, "model_not_found"),
    ],
)
def test_a_refusal_is_named_in_the_log_and_not_in_a_header(running: Running, key: str, asked: str, code: str) -> None:
    with running.client(key) as client:
        answer = client.post(CHAT, json=prompt() | {"model": asked})
    line = line_of(running, answer.headers["x-request-id"])
    assert (line["refused"], line["model"]) == (code, "-")
    assert not [name for name in answer.headers if name.startswith("x-slm")]


def test_a_request_that_is_no_http_has_a_line_that_is_json(running: Running) -> None:
    before = len(lines(running))
    running.raw(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nBad Header: x\r\n\r\n")
    # A line of a request before it may still be on its way.
    until(lambda: 400 in [line["status"] for line in lines(running)[before:]], 30, "the line of the bad request")


def test_no_prompt_and_no_key_is_in_the_log(running: Running) -> None:
    before = len(lines(running))
    with running.client() as client:
        for more in ({}, {"stream": True, "n": 1}, {"model": CANARY}):
            client.post(f"{CHAT}?prompt={CANARY}", json=prompt() | more)
        client.post(CHAT, content=f'{{"model": 3, "prompt": "{CANARY}"}}')
    until(lambda: len(lines(running)) >= before + 4, 30, "a line of each request")
    assert CANARY not in running.log()
    assert not [name for name, key in KEYS.items() if key in running.log()]


def test_contents_are_in_the_log_once_they_are_asked_for(running: Running) -> None:
    said = 'a "quoted" prompt\nof two lines \u00e9\u20ac ' + "x" * 20000
    running.write(config=render(running.settings, running.routes, log_contents=True))
    running.reload()
    try:

        def told() -> list[dict[str, Any]]:
            with running.client() as client:
                client.post(CHAT, json=body(messages=[{"role": "user", "content": said}]))
            return [line for line in lines(running) if "prompt" in line]

        until(lambda: bool(told()), 60, "a line with a prompt")
        line = told()[-1]
        assert "of two lines" in line["prompt"]
        assert MODEL in line["answer"]
    finally:
        running.write()
        running.reload()
