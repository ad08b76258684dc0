"""Prometheus metrics. Names begin with `slm_onnx_` and end in their unit; colons are for recording rules."""

from __future__ import annotations

from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from .outcome import Outcome

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
STEPS = (0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5)


class Metrics:
    """All metrics of one server, in a registry of its own."""

    def __init__(self, queue_capacity: int) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        self.first_token = Histogram(
            "slm_onnx_time_to_first_token_seconds",
            "From a request's arrival to its first token",
            buckets=SECONDS,
            registry=registry,
        )
        self.inter_token = Histogram(
            "slm_onnx_inter_token_seconds", "Between two tokens of one answer", buckets=STEPS, registry=registry
        )
        self.duration = Histogram(
            "slm_onnx_request_duration_seconds",
            "From a request's arrival to the end of its answer",
            buckets=SECONDS,
            registry=registry,
        )
        self.prompt_tokens = Counter("slm_onnx_prompt_tokens", "Prompt tokens taken in", registry=registry)
        self.cached_tokens = Counter(
            "slm_onnx_prompt_tokens_cached", "Prompt tokens that were in the cache already", registry=registry
        )
        self.generated_tokens = Counter("slm_onnx_generated_tokens", "Tokens generated", registry=registry)
        self.requests = Counter("slm_onnx_requests", "Requests by how they ended", ["outcome"], registry=registry)
        for outcome in get_args(Outcome):
            self.requests.labels(outcome)
        self.waiting = Gauge("slm_onnx_requests_waiting", "Requests that wait for a place", registry=registry)
        self.running = Gauge("slm_onnx_requests_running", "Requests being answered", registry=registry)
        capacity = Gauge("slm_onnx_queue_capacity_requests", "Requests that may wait", registry=registry)
        capacity.set(queue_capacity)
        self.batch = Histogram(
            "slm_onnx_batch_size_requests",
            "Requests that got a token in one step of the model",
            buckets=(1, 2, 3, 4, 6, 8, 12, 16, 32, 64),
            registry=registry,
        )
        self.cache_used = Gauge(
            "slm_onnx_kv_cache_used_tokens", "Tokens of running requests in the key-value cache", registry=registry
        )
        self.cache_capacity = Gauge(
            "slm_onnx_kv_cache_capacity_tokens", "Tokens that the key-value cache holds", registry=registry
        )
        self.ready = Gauge("slm_onnx_ready", "1 while requests are taken", registry=registry)
        self.load = Gauge("slm_onnx_model_load_seconds", "Time from the start to the first token", registry=registry)
        self.info = Gauge(
            "slm_onnx_info", "What is served, always 1", ["model", "provider", "batching", "version"], registry=registry
        )
