"""The server's own part of the API: the seed's /reasoning, health for people, probes and metrics for machines."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import generate_latest

from .answers import Answers
from .metrics import Metrics
from .prompts import Prompts
from .routes_openai import REFUSALS
from .runtime import Runtime
from .schemas import ChatRequest, ReasoningAnswer, ReasoningRequest

TASKS = {
    "reasoning": "Think step by step, and show each step of your reasoning before the conclusion.",
    "math": "Solve the mathematical problem step by step, and give the result at the end.",
    "coding": "Write clean code with comments for the task.",
}
"""What the model is told for each `task_type`."""

ENDPOINTS = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/models",
    "/reasoning",
    "/health",
    "/live",
    "/ready",
    "/metrics",
)


@dataclass(frozen=True, slots=True)
class Service:
    """The handlers, with what they work on."""

    model: str
    prompts: Prompts
    answers: Answers
    runtime: Runtime
    metrics: Metrics

    def router(self) -> APIRouter:
        """The routes."""
        routes = APIRouter()
        options: dict[str, Any] = {"response_model": ReasoningAnswer, "responses": REFUSALS}
        routes.add_api_route("/reasoning", self.reasoning, methods=["POST"], **options)
        routes.add_api_route("/", self.root, methods=["GET"])
        routes.add_api_route("/health", self.health, methods=["GET"])
        probe: dict[str, Any] = {"methods": ["GET"], "response_model": None, "response_class": PlainTextResponse}
        routes.add_api_route("/live", self.live, **probe, responses={500: {"description": "The model has failed"}})
        routes.add_api_route("/ready", self.ready, **probe, responses={503: {"description": "Takes no requests now"}})
        routes.add_api_route("/metrics", self.show_metrics, **probe)
        return routes

    async def reasoning(self, asked: ReasoningRequest, request: Request) -> ReasoningAnswer:
        """Solve one task. `inference_time` is the time from the request to its answer, in seconds."""
        started = time.monotonic()
        messages = [{"role": "system", "content": TASKS[asked.task_type]}, {"role": "user", "content": asked.prompt}]
        if self.prompts.has_template:
            tokens = self.prompts.chat(messages, None)
        else:
            tokens = self.prompts.encode(f"{TASKS[asked.task_type]}\n{asked.prompt}\n")
        wish = ChatRequest.model_validate(
            {"model": self.model, "messages": [{"role": "user", "content": ""}], "temperature": asked.temperature}
        )
        _, text, _ = await self.answers.whole(request, self.answers.work(tokens, wish, asked.max_length))
        return ReasoningAnswer(
            generated_text=text,
            task_type=asked.task_type,
            inference_time=round(time.monotonic() - started, 3),
            model=self.model,
        )

    @property
    def _state(self) -> Literal["healthy", "loading", "draining", "failed"]:
        if self.runtime.draining:
            return "draining"
        if not self.runtime.alive:
            return "failed"
        return "healthy" if self.runtime.serving else "loading"

    async def health(self) -> dict[str, Any]:
        """State and capabilities, for people; probes use /live and /ready."""
        batcher = self.runtime.batcher
        features = set(batcher.features) if batcher else set()
        if not self.prompts.has_template:
            features -= {"chat", "tools"}
        return {
            "status": self._state,
            "model": self.model,
            "capabilities": list(TASKS),
            "features": sorted(features),
            "context_length": batcher.context_length if batcher else None,
            "provider": batcher.provider if batcher else None,
            "batching": batcher.batching if batcher else None,
        }

    async def root(self) -> dict[str, Any]:
        """What this is."""
        return {
            "name": "slm-stacks ONNX Runtime server",
            "model": self.model,
            "endpoints": list(ENDPOINTS),
            "capabilities": ["mathematical reasoning", "code generation", "logical problem solving"],
        }

    async def live(self) -> PlainTextResponse:
        """500 once the model's thread has failed: only a restart helps."""
        return PlainTextResponse("live\n" if self.runtime.alive else "failed\n", 200 if self.runtime.alive else 500)

    async def ready(self) -> PlainTextResponse | JSONResponse:
        """200 once a first token was generated, until the server is told to stop."""
        if self.runtime.serving:
            return PlainTextResponse("ready\n")
        return PlainTextResponse(f"{self._state}\n", 503)

    async def show_metrics(self) -> PlainTextResponse:
        """Prometheus metrics."""
        return PlainTextResponse(
            generate_latest(self.metrics.registry).decode(), media_type="text/plain; version=0.0.4; charset=utf-8"
        )
