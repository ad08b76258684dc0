"""One served model behind a gateway, and the ways the checks talk to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletion

from components.engines.base import Capability

COUNT = "Count from 1 to 9, with commas."


@dataclass(frozen=True)
class Target:
    """`context` is what the engine serves at once, in tokens; `body_kib` the gateway's limit on a request.

    `talks` is whether the content of answers can be expected to make sense; `concurrency` how many requests the
    engine works on at once.
    """

    endpoint: str
    key: str
    model: str
    capabilities: frozenset[Capability]
    context: int
    concurrency: int
    talks: bool
    body_kib: int = 1024
    timeout: float = 120
    _clients: list[openai.OpenAI] = field(default_factory=list, repr=False)

    @property
    def client(self) -> openai.OpenAI:
        """The official client. It does not try again by itself, so that what is seen is what happened."""
        if not self._clients:
            made = openai.OpenAI(
                base_url=self.endpoint,
                api_key=self.key,
                max_retries=0,
                timeout=self.timeout,
                http_client=httpx.Client(trust_env=False, timeout=self.timeout),
            )
            self._clients.append(made)
        return self._clients[0]

    def close(self) -> None:
        """Hang up."""
        while self._clients:
            self._clients.pop().close()

    def body(self, question: str = "Say hello.", **more: Any) -> dict[str, Any]:
        """A chat request. `...` as a value leaves a field out."""
        messages = [{"role": "user", "content": question}]
        wanted = {"model": self.model, "messages": messages, "temperature": 0, "max_tokens": 12} | more
        return {key: value for key, value in wanted.items() if value is not ...}

    def chat(self, question: str = "Say hello.", **more: Any) -> ChatCompletion:
        """Ask with the official client."""
        return self.client.chat.completions.create(**self.body(question, **more))

    def text(self, question: str = "Say hello.", **more: Any) -> str:
        """The answer's text."""
        return self.chat(question, **more).choices[0].message.content or ""

    def pieces(self, question: str = "Say hello.", **more: Any) -> list[Any]:
        """The chunks of a streamed answer."""
        return list(self.client.chat.completions.create(**self.body(question, **more), stream=True))

    @contextmanager
    def http(self, **headers: str) -> Iterator[httpx.Client]:
        """A plain client for what the official one would not send."""
        sent = {"Authorization": f"Bearer {self.key}", **headers}
        root = self.endpoint.removesuffix("/v1")
        with httpx.Client(base_url=root, headers=sent, timeout=self.timeout, trust_env=False) as made:
            yield made

    def honoured(self, capability: Capability, **fields: Any) -> ChatCompletion | None:
        """The answer when the engine says that it honours these fields; otherwise None, after a clear 400."""
        return self.answer_or_refusal(capability, lambda: self.chat(**fields))

    def answer_or_refusal(self, capability: Capability, ask: Any) -> Any:
        """What `ask` gives, or None when the capability is not declared and it was refused in so many words."""
        if capability in self.capabilities:
            return ask()
        with pytest.raises(openai.BadRequestError) as refused:
            ask()
        assert len(refused.value.message) > 20, "a refusal says what is wrong"
        assert refused.value.body, "a refusal has a body"
        return None


def error_of(response: httpx.Response, *statuses: int) -> dict[str, Any]:
    """The error of a refusal in OpenAI's form."""
    assert response.status_code in statuses, f"{response.status_code}: {response.text[:300]}"
    error: dict[str, Any] = response.json()["error"]
    assert isinstance(error["message"], str)
    assert error["message"]
    assert error["type"], "clients tell errors apart by their type"
    return error
