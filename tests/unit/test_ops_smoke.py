"""The question at the end of `up`: what its numbers mean, and what a person reads when it fails."""

from __future__ import annotations

import json

import httpx
import pytest

from ops.errors import UserError
from ops.smoke import Answer, ask, question

pytestmark = pytest.mark.unit


def test_speed_is_tokens_after_the_first_over_the_time_after_the_first() -> None:
    assert Answer("80", tokens=11, first=1.0, total=3.0).tokens_per_second == 5.0


@pytest.mark.parametrize(("tokens", "total"), [(0, 1.0), (1, 3.0), (5, 1.0)])
def test_one_token_or_no_time_has_no_speed(tokens: int, total: float) -> None:
    assert Answer("80", tokens, first=1.0, total=total).tokens_per_second == 0.0


def served(
    monkeypatch: pytest.MonkeyPatch, answer: httpx.Response | httpx.HTTPError, path: str = "/v1/chat/completions"
) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        assert request.url.path == path
        if isinstance(answer, httpx.HTTPError):
            raise answer
        return answer

    client = httpx.Client

    def made(*, trust_env: bool, timeout: float, transport: httpx.BaseTransport | None) -> httpx.Client:
        assert trust_env is False, "a proxy has no business between a person and this machine"
        assert transport is None
        return client(transport=httpx.MockTransport(handle), timeout=timeout)

    monkeypatch.setattr(question.httpx, "Client", made)


def test_pieces_become_one_answer_with_its_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [
        {"choices": [{"delta": {"role": "assistant"}}]},
        {"choices": [{"delta": {"content": "8"}}]},
        {"choices": [{"delta": {"content": "0\n"}}]},
        {"choices": [], "usage": {"completion_tokens": 3}},
    ]
    lines = [f"data: {json.dumps(event)}" for event in events]
    served(monkeypatch, httpx.Response(200, text="\n\n".join([*lines, "data: [DONE]", ": comment"])))
    answer = ask("http://gateway/v1", "key", "tiny")
    assert (answer.text, answer.tokens) == ("80", 3)
    assert 0 < answer.first <= answer.total


def test_a_base_model_completes_the_question(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [{"choices": [{"text": " 8"}]}, {"choices": [{"text": "1"}]}, {"choices": [], "usage": None}]
    text = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    served(monkeypatch, httpx.Response(200, text=text), path="/v1/completions")
    assert ask("http://gateway/v1", "key", "base", chat=False).text == "81"


def test_a_refusal_shows_the_gateways_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    served(monkeypatch, httpx.Response(503, json={"error": {"message": "The engine does not answer."}}))
    with pytest.raises(UserError, match=r"answered 503: .*The engine does not answer"):
        ask("http://gateway/v1", "key", "tiny")


def test_silence_names_the_endpoint_and_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    served(monkeypatch, httpx.ConnectError("refused"))
    with pytest.raises(UserError, match="http://gateway/v1 does not answer: refused") as raised:
        ask("http://gateway/v1", "slm-secret", "tiny")
    assert "slm-secret" not in str(raised.value)
