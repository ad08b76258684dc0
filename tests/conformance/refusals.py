"""What is refused, with which status, in which form."""

from __future__ import annotations

from typing import Any

import httpx
import openai
import pytest

from tests.conformance.registry import check
from tests.conformance.target import Target, error_of

CHAT = "/v1/chat/completions"


def _refused(target: Target, **fields: Any) -> None:
    with target.http() as client:
        error_of(client.post(CHAT, json=target.body(**fields)), 400)


@check
def a_temperature_out_of_range_is_refused(target: Target) -> None:
    for value in (-0.1, 2.1, 100, "hot"):
        _refused(target, temperature=value)


@check
def numbers_out_of_range_are_refused(target: Target) -> None:
    for fields in ({"top_p": 1.5}, {"top_p": -1}, {"max_tokens": 0}, {"max_tokens": -5}, {"n": 0}):
        _refused(target, **fields)


@check
def an_unknown_form_of_answer_is_refused(target: Target) -> None:
    _refused(target, response_format={"type": "banana"})


@check
def missing_messages_are_refused(target: Target) -> None:
    _refused(target, messages=...)
    _refused(target, messages=[])


@check
def broken_json_is_refused(target: Target) -> None:
    broken = f'{{"model": "{target.model}", "messages": [{{'.encode()
    with target.http(**{"Content-Type": "application/json"}) as client:
        error_of(client.post(CHAT, content=broken), 400)
        error_of(client.post(CHAT, content=b"not json"), 400)


@check
def an_unknown_model_is_404(target: Target) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        target.chat(model="no-such-model")
    assert refused.value.code == "model_not_found"
    assert target.model in refused.value.message, "the refusal names what is deployed"


@check
def a_wrong_key_is_401(target: Target) -> None:
    with openai.OpenAI(
        base_url=target.endpoint, api_key="wrong", max_retries=0, http_client=httpx.Client(trust_env=False)
    ) as client:
        with pytest.raises(openai.AuthenticationError):
            client.chat.completions.create(**target.body())
        with pytest.raises(openai.AuthenticationError):
            client.models.list()


@check
def no_key_is_401(target: Target) -> None:
    answer = httpx.post(f"{target.endpoint}/chat/completions", json=target.body(), trust_env=False)
    error_of(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")


@check
def too_large_a_body_is_413(target: Target) -> None:
    with target.http() as client:
        error_of(client.post(CHAT, json=target.body("x" * (target.body_kib * 1024 + 1))), 413)


@check
def another_method_is_an_error_in_openais_form(target: Target) -> None:
    with target.http() as client:
        error_of(client.get(CHAT), 404, 405)
        error_of(client.put(CHAT, json={}), 404, 405)
        assert client.head(CHAT).status_code in (404, 405)


@check
def another_path_is_404(target: Target) -> None:
    with target.http() as client:
        for path in ("/", "/v1", "/v1/files", "/api/tags", "/metrics", "/health", "/docs"):
            error_of(client.get(path), 404)
