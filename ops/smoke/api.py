"""The gateway as a client sees it: requests that must be answered in OpenAI's form, and what is wrong when not."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

FINISHED = {"stop", "length", "tool_calls"}


class ProtocolError(Exception):
    """An answer is not in the form clients rely on; the text says how."""


@dataclass(frozen=True)
class Reply:
    """An answer in one piece."""

    status: int
    body: dict[str, Any]

    def must_be_refused(self, *statuses: int) -> str:
        """The refusal's message. Raises ProtocolError unless it is an OpenAI error with one of `statuses`."""
        if self.status not in statuses:
            raise ProtocolError(f"answered {self.status} instead of {' or '.join(map(str, statuses))}")
        error = self.body.get("error")
        if not isinstance(error, dict) or not isinstance(error.get("message"), str) or not error["message"]:
            raise ProtocolError(f"the {self.status} has no error.message: {self.body}")
        return f"{self.status}: {error['message']}"

    def choice(self) -> dict[str, Any]:
        """The only choice. Raises ProtocolError unless it is a complete answer with its usage."""
        if self.status != 200:
            raise ProtocolError(f"answered {self.status}: {self.body}")
        check_usage(self.body.get("usage"))
        choices = self.body.get("choices")
        if not isinstance(choices, list) or len(choices) != 1:
            raise ProtocolError(f"{len(choices or [])} choices instead of one")
        if choices[0].get("finish_reason") not in FINISHED:
            raise ProtocolError(f"finish_reason is {choices[0].get('finish_reason')!r}")
        found: dict[str, Any] = choices[0]
        return found


@dataclass
class Stream:
    """A streamed answer: its events in order, the seconds until each came, and whether [DONE] ended it."""

    events: list[dict[str, Any]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    done: bool = False


def check_usage(usage: Any) -> None:
    """Raise ProtocolError when the numbers of tokens are missing or do not add up."""
    if not isinstance(usage, dict):
        raise ProtocolError("usage is missing")
    numbers = [usage.get(f"{part}_tokens") for part in ("prompt", "completion", "total")]
    if not all(isinstance(number, int) for number in numbers):
        raise ProtocolError(f"usage is incomplete: {usage}")
    prompt, answer, total = (int(number) for number in numbers if number is not None)
    if prompt < 1 or answer < 0 or prompt + answer != total:
        raise ProtocolError(f"usage does not add up: {usage}")


class Api:
    """Talks to one gateway with one key. `timeout` is in seconds, for each answer."""

    def __init__(
        self, endpoint: str, key: str, timeout: float = 300, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._endpoint, self._key = endpoint, key
        # A proxy has no business between a person and the stack.
        self._client = httpx.Client(timeout=timeout, trust_env=False, transport=transport)

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def post(self, path: str, body: dict[str, Any], *, key: str | None = None) -> Reply:
        """Ask; `key` replaces the valid one. Raises ProtocolError for anything but JSON."""
        response = self._client.post(f"{self._endpoint}{path}", json=body, headers=self._headers(key))
        try:
            document = response.json()
        except ValueError:
            raise ProtocolError(f"{response.status_code} is not JSON: {response.text[:100]!r}") from None
        if not isinstance(document, dict):
            raise ProtocolError(f"{response.status_code} is not a JSON object")
        return Reply(response.status_code, document)

    def stream(self, path: str, body: dict[str, Any]) -> Stream:
        """Ask for a stream and read it to its end. Raises ProtocolError."""
        found, began = Stream(), time.perf_counter()
        with self._client.stream("POST", f"{self._endpoint}{path}", json=body, headers=self._headers()) as response:
            if response.status_code != 200:
                raise ProtocolError(f"answered {response.status_code}: {response.read().decode(errors='replace')}")
            for line in response.iter_lines():
                if found.done and line:
                    raise ProtocolError(f"after [DONE] came {line[:60]!r}")
                if line == "data: [DONE]":
                    found.done = True
                elif line.startswith("data: "):
                    found.events.append(json.loads(line.removeprefix("data: ")))
                    found.seconds.append(time.perf_counter() - began)
        return found

    def _headers(self, key: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key if key is None else key}"}
