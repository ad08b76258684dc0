"""The API on a real graph, asked by OpenAI's own client and by plain HTTP."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator

import httpx
import openai
import pytest

from servers.onnx.slm_onnx.logs import JsonFormatter
from tests.unit.onnx_harness import MODEL, metric, serving

pytestmark = pytest.mark.unit

HELLO = [{"role": "user", "content": "the quick brown fox"}]
SCHEMA = {"type": "object", "properties": {"a": {"enum": ["x"]}}, "required": ["a"], "additionalProperties": False}
TOOL = {"type": "function", "function": {"name": "pick", "parameters": SCHEMA}}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(parallel=2, max_queue=2, max_body_bytes=200_000) as (found, _):
        yield found


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as made:
        yield made


def post(address: str, path: str = "/v1/chat/completions", **changes: object) -> httpx.Response:
    asked = {"model": MODEL, "messages": HELLO, "max_tokens": 4} if "chat" in path else {"model": MODEL}
    return httpx.post(f"{address}{path}", json=asked | changes, timeout=60)


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert [found.id for found in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).id == MODEL
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("other")


def test_a_chat_has_text_a_reason_and_usage(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, max_completion_tokens=7)
    assert answer.choices[0].finish_reason == "length"
    assert answer.choices[0].message.role == "assistant"
    assert answer.usage.completion_tokens == 7
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 7


def test_a_stream_gives_the_same_text_in_order_and_usage_at_the_end(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=40)
    options = {"include_usage": True}
    chunks = list(
        client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=40, stream=True, stream_options=options)
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "length"
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 40
    assert len({chunk.id for chunk in chunks}) == 1
    assert len(chunks) > 10


def test_completions_go_on_with_text_or_tokens(client: openai.OpenAI) -> None:
    by_text = client.completions.create(model=MODEL, prompt="one two", max_tokens=5)
    chunks = list(client.completions.create(model=MODEL, prompt="one two", max_tokens=5, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == by_text.choices[0].text
    assert client.completions.create(model=MODEL, prompt=[5, 6, 7]).usage.completion_tokens == 16
    assert client.completions.create(model=MODEL, prompt="", max_tokens=2).usage.prompt_tokens == 1


def test_a_seed_repeats_an_answer(client: openai.OpenAI) -> None:
    def ask(seed: int) -> str:
        asked = {"model": MODEL, "messages": HELLO, "max_tokens": 12}
        return client.chat.completions.create(**asked, temperature=1.5, seed=seed).choices[0].message.content or ""

    assert ask(5) == ask(5) != ask(6)


def test_a_stop_sequence_is_not_in_the_text(client: openai.OpenAI) -> None:
    asked = {"model": MODEL, "messages": HELLO, "max_tokens": 60}
    whole = client.chat.completions.create(**asked).choices[0].message.content
    stop = whole[6:8]
    cut = client.chat.completions.create(**asked, stop=[stop]).choices[0]
    assert (cut.message.content, cut.finish_reason) == (whole[: whole.index(stop)], "stop")


def test_an_answer_follows_a_json_schema(client: openai.OpenAI) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA, "strict": True}}
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=100, response_format=form)
    assert json.loads(answer.choices[0].message.content) == {"a": "x"}


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "pick"}}])
@pytest.mark.parametrize("stream", [False, True])
def test_a_forced_tool_call_is_a_call(client: openai.OpenAI, choice: object, stream: bool) -> None:
    asked = {"model": MODEL, "messages": HELLO, "tools": [TOOL], "tool_choice": choice, "max_tokens": 200, "seed": 1}
    if stream:
        chunks = list(client.chat.completions.create(**asked, stream=True))
        calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or ()]
        reason = chunks[-1].choices[0].finish_reason
        assert all(not chunk.choices[0].delta.content for chunk in chunks)
    else:
        found = client.chat.completions.create(**asked).choices[0]
        calls, reason = found.message.tool_calls, found.finish_reason
    assert reason == "tool_calls"
    assert [call.function.name for call in calls] == ["pick"]
    assert isinstance(json.loads(calls[0].function.arguments), dict)


def test_an_earlier_call_and_its_result_are_part_of_a_conversation(address: str) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "pick", "arguments": '{"a": "x"}'}}
    messages = [*HELLO, {"role": "assistant", "content": None, "tool_calls": [call]}]
    messages.append({"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "done"}]})
    assert post(address, messages=messages, tools=[TOOL]).status_code == 200


REFUSED = [
    ({"n": 2}, "n"),
    ({"logprobs": True}, "logprobs"),
    ({"frequency_penalty": 0.5}, "frequency_penalty"),
    ({"logit_bias": {"1": 5}}, "logit_bias"),
    ({"nonsense": 1}, "nonsense"),
    ({"temperature": 3}, "temperature"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_completion_tokens": 5}, "max_tokens"),
    ({"stop": [""]}, "stop"),
    ({"stream_options": {"include_usage": True}}, "stream_options"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "other"}}}, "tool_choice"),
    ({"tools": [TOOL, TOOL]}, "tools"),
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "user"}]}, "content"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, "image_url"),
    ({"response_format": {"type": "json_schema"}}, "json_schema"),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "nonsense"}}}},
        "JSON Schema cannot be followed",
    ),
    ({"tools": [TOOL], "tool_choice": "required", "response_format": {"type": "json_object"}}, "response_format"),
]


@pytest.mark.parametrize(("changes", "named"), REFUSED)
def test_what_is_not_supported_is_refused_by_name(address: str, changes: dict[str, object], named: str) -> None:
    answer = post(address, **changes)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert named in f"{error['message']} {error['param']}"


@pytest.mark.parametrize(
    ("path", "changes", "status"),
    [
        ("/v1/completions", {"prompt": ["a", "b"]}, 400),
        ("/v1/completions", {"prompt": [99_999]}, 400),
        ("/v1/completions", {"prompt": "a", "echo": True}, 400),
        ("/v1/chat/completions", {"model": "other"}, 404),
        ("/v1/nothing", {}, 404),
        ("/reasoning", {"prompt": "x", "task_type": "poetry"}, 400),
    ],
)
def test_errors_have_openais_form(address: str, path: str, changes: dict[str, object], status: int) -> None:
    answer = post(address, path, **changes)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_a_body_that_is_no_json_or_too_large_is_refused(address: str) -> None:
    headers = {"Content-Type": "application/json"}
    wrong = httpx.post(f"{address}/v1/completions", content=b"{", headers=headers, timeout=60)
    assert (wrong.status_code, "not valid JSON" in wrong.text) == (400, True)
    assert post(address, messages=[{"role": "user", "content": "x" * 300_000}]).status_code == 413
    streamed = httpx.post(f"{address}/v1/completions", content=(b"x" * 50_000 for _ in range(6)), timeout=60)
    assert streamed.status_code == 413


def test_a_prompt_too_long_says_both_numbers(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "fox " * 400}])
    assert refused.value.code == "context_length_exceeded"
    assert "256" in str(refused.value)


def test_an_answer_longer_than_the_context_ends_there(client: openai.OpenAI) -> None:
    answer = client.completions.create(model=MODEL, prompt=[9] * 250, max_tokens=10_000)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.total_tokens == 256


def test_the_seeds_reasoning(address: str) -> None:
    asked = {"prompt": "What is 15% of 200?", "task_type": "math", "max_length": 5, "temperature": 0.3}
    answer = httpx.post(f"{address}/reasoning", json=asked, timeout=60).json()
    assert set(answer) == {"generated_text", "task_type", "inference_time", "model"}
    assert (answer["task_type"], answer["model"]) == ("math", MODEL)
    assert answer["inference_time"] >= 0


def test_what_the_server_says_of_itself(address: str) -> None:
    health = httpx.get(f"{address}/health", timeout=60).json()
    assert health["status"] == "healthy"
    assert health["capabilities"] == ["reasoning", "math", "coding"]
    assert {"chat", "tools", "json_schema", "seed"} <= set(health["features"])
    assert "/reasoning" in httpx.get(f"{address}/", timeout=60).json()["endpoints"]
    assert [httpx.get(f"{address}{path}", timeout=60).status_code for path in ("/live", "/ready")] == [200, 200]


def test_a_client_that_leaves_frees_its_place(address: str) -> None:
    before = metric(address, 'slm_onnx_requests_total{outcome="cancelled"}')
    asked = {"model": MODEL, "prompt": "one", "max_tokens": 250, "stream": True, "temperature": 1, "seed": 3}
    for _ in range(5):
        with httpx.stream("POST", f"{address}/v1/completions", json=asked, timeout=60) as answer:
            next(answer.iter_lines())
        time.sleep(0.05)

    def figures() -> tuple[bool, float, float]:
        left = metric(address, 'slm_onnx_requests_total{outcome="cancelled"}') > before
        return left, metric(address, "slm_onnx_requests_running"), metric(address, "slm_onnx_kv_cache_used_tokens")

    end = time.monotonic() + 60
    while (found := figures()) != (True, 0, 0) and time.monotonic() < end:
        time.sleep(0.02)
    assert found == (True, 0, 0)


def test_more_than_the_queue_holds_gets_429(address: str) -> None:
    asked = {"model": MODEL, "prompt": "one", "max_tokens": 250, "temperature": 1}
    answers: list[httpx.Response] = []

    def ask() -> None:
        answers.append(httpx.post(f"{address}/v1/completions", json=asked, timeout=60))

    threads = [threading.Thread(target=ask) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert {answer.status_code for answer in answers} == {200, 429}
    assert metric(address, 'slm_onnx_requests_total{outcome="rejected"}') >= len(refused)


def test_metrics_are_there_with_their_units(address: str) -> None:
    post(address)
    for name in (
        "slm_onnx_time_to_first_token_seconds_count",
        "slm_onnx_inter_token_seconds_count",
        "slm_onnx_prompt_tokens_total",
        "slm_onnx_generated_tokens_total",
        "slm_onnx_batch_size_requests_count",
        "slm_onnx_kv_cache_capacity_tokens",
        'slm_onnx_requests_total{outcome="length"}',
    ):
        assert metric(address, name) > 0, name


def test_no_content_is_logged(address: str) -> None:
    lines: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(JsonFormatter().format(record))

    listener, root = Listener(), logging.getLogger()
    level = root.level
    root.addHandler(listener)
    root.setLevel(logging.INFO)
    try:
        post(address, messages=[{"role": "user", "content": "geheim"}])
        post(address, messages=[{"role": "user", "content": "geheim", "x": 1}])
    finally:
        root.removeHandler(listener)
        root.setLevel(level)
    ours = [json.loads(line) for line in lines if '"event": "request"' in line]
    assert [line["outcome"] for line in ours] == ["length"]
    assert "geheim" not in "".join(lines)


def test_the_library_batching_serves_the_same_api_and_says_what_it_cannot() -> None:
    with serving(batching="library") as (address, _):
        assert post(address).json()["usage"]["completion_tokens"] == 4
        refused = post(address, seed=1)
        assert refused.status_code == 400
        assert "seed" in refused.json()["error"]["message"]
        assert "seed" not in httpx.get(f"{address}/health", timeout=60).json()["features"]
