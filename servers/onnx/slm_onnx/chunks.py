"""The chunks of a streamed answer in OpenAI's form."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

from . import tools
from .progress import Piece
from .schemas import ChatRequest


def event(text: str) -> bytes:
    """One server-sent event; nothing for no text."""
    return f"data: {text}\n\n".encode() if text else b""


def head_of(kind: str, prefix: str, model: str) -> dict[str, Any]:
    """What every body begins with."""
    return {"id": f"{prefix}-{secrets.token_hex(12)}", "object": kind, "created": int(time.time()), "model": model}


class Chunks:
    """The chunks of one streamed answer. What is the same in all of them is written once."""

    def __init__(self, kind: str, prefix: str, model: str) -> None:
        self.head = head_of(kind, prefix, model)
        self._before = json.dumps(self.head)[:-1] + ', "choices": [{"index": 0, '

    def _chunk(self, rest: str, finish: str | None = None) -> str:
        return f'{self._before}{rest}, "logprobs": null, "finish_reason": {json.dumps(finish)}}}]}}'

    def opening(self) -> bytes:
        """What goes before the first text."""
        return b""

    def piece(self, piece: Piece) -> str:
        """The chunk of a piece of text; nothing when it is held back."""
        raise NotImplementedError

    def end(self, piece: Piece) -> list[str]:
        """The last chunks."""
        raise NotImplementedError


class TextChunks(Chunks):
    """Of a completion."""

    def __init__(self, model: str) -> None:
        super().__init__("text_completion", "cmpl", model)

    def piece(self, piece: Piece) -> str:
        return self._chunk(f'"text": {json.dumps(piece.text)}')

    def end(self, piece: Piece) -> list[str]:
        return [self._chunk('"text": ""', piece.finish)]


class ChatChunks(Chunks):
    """Of a chat; tool calls come whole, at the end."""

    def __init__(self, model: str, asked: ChatRequest) -> None:
        super().__init__("chat.completion.chunk", "chatcmpl", model)
        self._names = tool_names(asked)
        self._filter = tools.CallFilter() if self._names else None

    def _delta(self, delta: dict[str, Any], finish: str | None = None) -> str:
        return self._chunk(f'"delta": {json.dumps(delta)}', finish)

    def opening(self) -> bytes:
        return event(self._delta({"role": "assistant", "content": ""}))

    def piece(self, piece: Piece) -> str:
        text = self._filter.push(piece.text) if self._filter else piece.text
        return self._chunk(f'"delta": {{"content": {json.dumps(text)}}}') if text else ""

    def end(self, piece: Piece) -> list[str]:
        text, calls = self._filter.rest(self._names) if self._filter else ("", [])
        out = [self._delta({"content": text})] if text else []
        out += [self._delta({"tool_calls": [{"index": index} | call.as_openai()]}) for index, call in enumerate(calls)]
        return [*out, self._delta({}, "tool_calls" if calls else piece.finish)]


def tool_names(asked: ChatRequest) -> list[str]:
    """Names of the tools that the model may call."""
    return [tool["function"]["name"] for tool in asked.usable_tools]
