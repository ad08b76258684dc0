"""The application: everything put together for one folder."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import batching, errors, folder
from .answers import Answers
from .connection import ClientGone
from .generation import Batcher, Work
from .metrics import Metrics
from .outcome import Outcome
from .prompts import Prompts
from .routes_openai import OpenAI
from .routes_service import Service
from .runtime import Runtime
from .settings import Settings


@dataclass(frozen=True, slots=True)
class Server:
    """An application and the runtime behind it; the runtime is not started yet."""

    app: FastAPI
    runtime: Runtime
    metrics: Metrics


def build(settings: Settings) -> Server:
    """Read the folder and its tokenizer; the model itself is loaded by the runtime. Raises FolderError."""
    found = folder.read(settings.folder)
    prompts = _prompts(found, settings.chat_template)
    metrics = Metrics(settings.max_queue)

    def make() -> Batcher:
        batcher = batching.make(settings, found)
        metrics.info.labels(settings.model, batcher.provider, batcher.batching, version("onnxruntime-genai")).set(1)
        return batcher

    warm_up = Work(prompt=np.full(2, min(found.end_tokens), dtype=np.int64), max_tokens=1)
    runtime = Runtime(make, prompts.stream, metrics, settings.max_queue, warm_up)
    answers = Answers(runtime, found, metrics)
    app = FastAPI(title="slm-stacks ONNX Runtime server", version="1", docs_url=None, redoc_url=None)
    app.include_router(OpenAI(settings.model, int(time.time()), prompts, answers).router())
    app.include_router(Service(settings.model, prompts, answers, runtime, metrics).router())
    errors.register(app, lambda status: metrics.requests.labels(_outcome(status)).inc())

    @app.exception_handler(ClientGone)
    async def _gone(_: Request, __: Exception) -> Response:
        return Response(status_code=499)

    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    return Server(app, runtime, metrics)


def _prompts(found: folder.Folder, template: Path | None) -> Prompts:
    try:
        return Prompts(found, template.read_text(encoding="utf-8") if template else None)
    except OSError as error:
        raise folder.FolderError(f"the chat template {template} cannot be read: {error.strerror}") from None
    except RuntimeError as error:
        raise folder.FolderError(
            f"the tokenizer in {found.path} cannot be read ({str(error).splitlines()[0][:200]}): nothing can be served."
            " Fetch or convert the model again"
        ) from None


def _outcome(status: int) -> Outcome:
    if status in (429, 503):
        return "rejected"
    return "invalid" if status < 500 else "error"


class BodyLimit:
    """Refuses bodies over a size before they are read."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app, self._max = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what comes in."""
        if scope["type"] != "http" or scope["method"] not in ("POST", "PUT", "PATCH"):
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > self._max:
            await self._refuse(send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max:
                raise HTTPException(413, self._text)
            return message

        await self._app(scope, counted, send)

    @property
    def _text(self) -> str:
        return f"the body is larger than {self._max} bytes"

    async def _refuse(self, send: Send) -> None:
        content = json.dumps(errors.body(413, self._text)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": 413, "headers": [*headers, (b"connection", b"close")]})
        await send({"type": "http.response.body", "body": content})
