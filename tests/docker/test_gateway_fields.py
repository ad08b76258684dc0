"""What a real HAProxy makes of the table of refused fields: each refuses its field, and nothing that looks like it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from components.gateway import Limits
from components.gateway.fields import RULES
from tests.docker.gateway_harness import CHAT, Running, body, gateway

pytestmark = pytest.mark.docker

LIMITS = Limits(check_seconds=1, client_seconds=2, requests_per_minute=10000)
TEXT = "/v1/completions"
LACKS = tuple(sorted({rule.capability for rule in RULES if rule.capability} - {"streaming"}))
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
PROMPT: dict[str, Any] = {"messages": None, "prompt": "hi"}

REFUSED = [
    ("temperature", CHAT, {"temperature": -0.001}),
    ("temperature", CHAT, {"temperature": 2.001}),
    ("temperature", CHAT, {"temperature": 1e5}),
    ("temperature", CHAT, {"temperature": "hot"}),
    ("top_p", CHAT, {"top_p": 1.01}),
    ("top_p", TEXT, PROMPT | {"top_p": -1}),
    ("max_tokens", CHAT, {"max_tokens": 0}),
    ("max_tokens", TEXT, PROMPT | {"max_tokens": -1}),
    ("n", CHAT, {"n": 0}),
    ("response_format.type", CHAT, {"response_format": {"type": "banana"}}),
    ("messages", CHAT, {"messages": None}),
    ("messages", CHAT, {"messages": []}),
    ("messages", CHAT, {"messages": "hi"}),
    ("messages", CHAT, {"messages": [{"role": "developer", "content": "x"}]}),
    ("messages", CHAT, {"messages": [{"content": "x", "role": "alien"}]}),
    ("n", CHAT, {"n": 2}),
    ("best_of", TEXT, PROMPT | {"best_of": 2}),
    ("logprobs", CHAT, {"logprobs": True}),
    ("logprobs", TEXT, PROMPT | {"logprobs": 0}),
    ("logit_bias", CHAT, {"logit_bias": {"1": -100}}),
    ("tools", CHAT, {"tools": [TOOL]}),
    ("tool_choice", CHAT, {"tool_choice": "required"}),
    ("tool_choice", CHAT, {"tool_choice": {"type": "function", "function": {"name": "f"}}}),
    ("parallel_tool_calls", CHAT, {"parallel_tool_calls": False}),
    ("functions", CHAT, {"functions": [{"name": "f"}]}),
    ("response_format", CHAT, {"response_format": {"type": "json_object"}}),
    ("seed", CHAT, {"seed": 0}),
    ("stop", CHAT, {"stop": "x"}),
    ("stop", CHAT, {"stop": ["x"]}),
    ("max_completion_tokens", CHAT, {"max_completion_tokens": 5}),
    ("echo", TEXT, PROMPT | {"echo": True}),
]
ALLOWED = [
    (CHAT, {"temperature": 0}),
    (CHAT, {"temperature": 2}),
    (CHAT, {"temperature": 0.7, "top_p": 0.95, "n": 1, "max_tokens": 1}),
    (CHAT, {"temperature": 1e-7, "top_p": 1}),
    (CHAT, dict.fromkeys(["temperature", "n", "stop", "seed", "tools", "tool_choice", "logprobs", "logit_bias"])),
    (CHAT, {"logprobs": False, "logit_bias": {}, "tool_choice": "auto", "response_format": {"type": "text"}}),
    (CHAT, {"messages": [{"role": "user", "content": 'Say {"logit_bias": {"1": 2}}, {"role": "developer"}'}]}),
    (CHAT, {"messages": [{"role": "system", "content": "x"}, {"role": "assistant", "content": "y"}]}),
    (CHAT, {"parallel_tool_calls": True, "user": "me", "metadata": {"n": "2"}}),
    (TEXT, PROMPT | {"echo": False, "best_of": 1}),
]


@pytest.fixture(scope="module", params=["bookworm", "trixie"], ids=["2.6", "3.0"])
def strict(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway whose engine declares nothing and drops what is beyond 1000 tokens."""
    folder = tmp_path_factory.mktemp("fields") / "files"
    with gateway(request.param, folder, LIMITS, of_the_route={"lacks": LACKS, "context": 1000}) as made:
        yield made


@pytest.mark.parametrize(("field", "path", "fields"), REFUSED, ids=lambda value: str(value)[:40])
def test_it_is_refused_by_name_and_the_engine_hears_nothing(
    strict: Running, field: str, path: str, fields: dict[str, Any]
) -> None:
    strict.engine.seen.clear()
    with strict.client() as client:
        answer = client.post(path, json=body(**fields))
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["param"] == field
    assert error["code"] in ("unsupported_parameter", "invalid_parameter")
    assert strict.engine.seen == []


@pytest.mark.parametrize(("path", "fields"), ALLOWED, ids=lambda value: str(value)[:40])
def test_it_reaches_the_engine_as_it_came(strict: Running, path: str, fields: dict[str, Any]) -> None:
    strict.engine.seen.clear()
    sent = body(**fields)
    with strict.client() as client:
        assert client.post(path, json=sent).status_code == 200
    assert json.loads(strict.engine.seen[-1].body) == sent


def test_spaces_and_the_order_of_fields_do_not_matter(strict: Running) -> None:
    text = '{ "logit_bias" :\n {\t"1" : 5 } , "messages" : [ { "content" : "x", "role" : "user" } ] , "model" : "%s" }'
    with strict.client() as client:
        answer = client.post(CHAT, content=(text % strict.routes[0].model).encode())
    assert answer.json()["error"]["param"] == "logit_bias"


def test_more_bytes_than_any_text_of_that_many_tokens_has_is_too_long(strict: Running) -> None:
    long = body(messages=[{"role": "user", "content": "x" * 8000}])
    with strict.client() as client:
        for fields in ({}, {"stream": True}):
            error = client.post(CHAT, json=long | fields).json()["error"]
            assert error["code"] == "context_length_exceeded"
        fits = body(messages=[{"role": "user", "content": "x" * 7000}])
        assert client.post(CHAT, json=fits).status_code == 200


@pytest.mark.parametrize(("tokens", "status"), [(999, 200), (1000, 400), (5000, 400)])
def test_an_answer_to_a_cut_prompt_is_none(strict: Running, tokens: int, status: int) -> None:
    with strict.client() as client:
        answer = client.post(CHAT, json=body(prompt_tokens=tokens))
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["error"]["code"] == "context_length_exceeded"


def test_a_stream_is_not_held_back_to_look_at_it(strict: Running) -> None:
    with strict.client() as client, client.stream("POST", CHAT, json=body(stream=True, n=1, pause=0.3)) as answer:
        assert answer.status_code == 200
        assert next(answer.iter_lines()).startswith("data: ")
