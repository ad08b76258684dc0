"""OpenAI's part of the API: models, chat completions and completions."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from . import tools
from .answers import Answers, event_error
from .chunks import ChatChunks, Chunks, TextChunks, event, head_of, tool_names
from .connection import EventStream
from .errors import ApiError, ErrorAnswer, invalid
from .generation import Tokens, Work
from .messages import Message
from .progress import Generation
from .prompts import Prompts
from .schemas import ChatRequest, Common, CompletionRequest

REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorAnswer, "description": "The request cannot be done as it is"},
    404: {"model": ErrorAnswer, "description": "There is no such model"},
    413: {"model": ErrorAnswer, "description": "The body is too large"},
    429: {"model": ErrorAnswer, "description": "The queue is full; Retry-After says when to try again"},
    503: {"model": ErrorAnswer, "description": "The model is being loaded, or the server is shutting down"},
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer; with `stream` its tokens as server-sent events, one after the other",
        "content": {"application/json": {}, "text/event-stream": {"schema": {"type": "string"}}},
    },
    **REFUSALS,
}


@dataclass(frozen=True, slots=True)
class OpenAI:
    """The handlers, with what they work on."""

    model: str
    created: int
    prompts: Prompts
    answers: Answers

    def router(self) -> APIRouter:
        """The routes."""
        routes = APIRouter(prefix="/v1")
        known: dict[int | str, dict[str, Any]] = {404: REFUSALS[404]}
        routes.add_api_route("/models", self.models, methods=["GET"])
        routes.add_api_route("/models/{name:path}", self.one_model, methods=["GET"], responses=known)
        options: dict[str, Any] = {"methods": ["POST"], "response_model": None, "responses": ANSWERS}
        routes.add_api_route("/chat/completions", self.chat, **options)
        routes.add_api_route("/completions", self.complete, **options)
        return routes

    async def models(self) -> dict[str, Any]:
        """The one model that is served."""
        return {"object": "list", "data": [self._card()]}

    async def one_model(self, name: str) -> dict[str, Any]:
        """One model by its name."""
        self._known(name)
        return self._card()

    def _card(self) -> dict[str, Any]:
        return {"id": self.model, "object": "model", "created": self.created, "owned_by": "slm-stacks"}

    def _known(self, name: str) -> None:
        if name != self.model:
            raise ApiError(
                404,
                f"there is no model {name!r} here; it serves {self.model!r}",
                param="model",
                code="model_not_found",
            )

    async def chat(self, asked: ChatRequest, request: Request) -> Response:
        """Answer a conversation."""
        self._known(asked.model)
        tokens = self.prompts.chat([_message(message) for message in asked.messages], asked.usable_tools)
        limit = asked.max_completion_tokens or asked.max_tokens
        work = self.answers.work(tokens, asked, limit, _schema(asked))
        if asked.stream:
            return await self._stream(asked, request, work, ChatChunks(self.model, asked))
        generation, text, finish = await self.answers.whole(request, work)
        calls: list[tools.Call] = []
        if names := tool_names(asked):
            text, calls = tools.parse(text, names)
        message: dict[str, Any] = {"role": "assistant", "content": text or None if calls else text, "refusal": None}
        if calls:
            message["tool_calls"] = [call.as_openai() for call in calls]
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": "tool_calls" if calls else finish,
        }
        return JSONResponse(self._body("chat.completion", "chatcmpl", choice, generation))

    async def complete(self, asked: CompletionRequest, request: Request) -> Response:
        """Go on with a text."""
        self._known(asked.model)
        work = self.answers.work(self._prompt(asked), asked, asked.max_tokens or 16)
        if asked.stream:
            return await self._stream(asked, request, work, TextChunks(self.model))
        generation, text, finish = await self.answers.whole(request, work)
        choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}
        return JSONResponse(self._body("text_completion", "cmpl", choice, generation))

    def _prompt(self, asked: CompletionRequest) -> Tokens:
        prompt: Any = asked.prompt
        if isinstance(prompt, list) and not (prompt and isinstance(prompt[0], int)):
            if len(prompt) != 1:
                raise invalid("prompt: exactly one prompt per request is supported", "prompt")
            prompt = prompt[0]
        return self.prompts.encode(prompt) if isinstance(prompt, str) else self.prompts.given(prompt)

    def _body(self, kind: str, prefix: str, choice: dict[str, Any], generation: Generation) -> dict[str, Any]:
        return head_of(kind, prefix, self.model) | {"choices": [choice], "usage": self.answers.usage(generation)}

    async def _stream(self, asked: Common, request: Request, work: Work, chunks: Chunks) -> Response:
        generation, first = await self.answers.begin(request, work)
        answers = self.answers

        async def events() -> AsyncIterator[bytes]:
            opening = chunks.opening()
            async for batch in answers.pieces(generation, first):
                out = opening + b"".join(event(chunks.piece(piece)) for piece in batch if piece.text)
                opening = b""
                last = batch[-1]
                if last.refused or last.failed:
                    answers.ended(generation, "error")
                    yield out + event(json.dumps(event_error(last)))
                    return
                if last.finish:
                    out += b"".join(map(event, chunks.end(last)))
                    if asked.wants_usage:
                        out += event(json.dumps(chunks.head | {"choices": [], "usage": answers.usage(generation)}))
                    answers.ended(generation, "length" if last.finish == "length" else "stop")
                    out += b"data: [DONE]\n\n"
                if out:
                    yield out

        return EventStream(events(), lambda: answers.cancel(generation))


def _schema(asked: ChatRequest) -> str | None:
    """The JSON Schema that the answer has to follow."""
    if asked.forced_tools:
        return tools.schema(asked.forced_tools)
    if asked.response_format is None or not asked.wants_json:
        return None
    given = asked.response_format.json_schema
    return json.dumps(given.schema_ if given else {"type": "object"})


def _message(message: Message) -> dict[str, Any]:
    """A message as chat templates read it: text is one string, arguments are an object, a developer is the system."""
    plain: dict[str, Any] = {"role": "system" if message.role == "developer" else message.role, "content": message.text}
    if message.tool_calls:
        plain["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.function.name, "arguments": _object(call)}}
            for call in message.tool_calls
        ]
    for name in ("name", "tool_call_id"):
        if value := getattr(message, name):
            plain[name] = value
    return plain


def _object(call: Any) -> Any:
    try:
        return json.loads(call.function.arguments or "{}")
    except ValueError:
        raise invalid("messages: the arguments of a tool call are not valid JSON", "messages") from None
