"""The settings of an engine that sizing may turn: found by name, so that a new engine needs no entry here (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args, get_origin

from components.engines.base import EngineBase

CONTEXT = ("context_length", "max_model_len")
REQUESTS = ("parallel", "max_num_seqs", "max_sequences", "slots", "max_batch_size")
CACHE_KIND = ("kv_cache_type", "kv_cache_dtype")
SHARE = ("gpu_memory_utilization",)


@dataclass(frozen=True)
class Knobs:
    """Names of an engine's fields for context, requests at once and kind of key-value cache; None where it has none."""

    context_field: str | None
    requests_field: str | None
    cache_field: str | None
    cache_kinds: tuple[str, ...]
    share_field: str | None

    def context(self, engine: EngineBase) -> int | None:
        """Tokens of one request, or None where the engine decides it itself."""
        value = getattr(engine, self.context_field) if self.context_field else None
        return value if isinstance(value, int) else None

    def requests(self, engine: EngineBase) -> int:
        """Requests at once."""
        value = getattr(engine, self.requests_field) if self.requests_field else None
        return value if isinstance(value, int) else max(1, engine.concurrency)

    def share(self, engine: EngineBase) -> float:
        """The share of a GPU's memory that the engine lets itself use."""
        value = getattr(engine, self.share_field) if self.share_field else None
        return float(value) if isinstance(value, int | float) else 1.0

    def with_context(self, engine: EngineBase, tokens: int) -> EngineBase:
        """The engine with another context."""
        return engine.model_copy(update={self.context_field: tokens}) if self.context_field else engine

    def with_requests(self, engine: EngineBase, requests: int) -> EngineBase:
        """The engine with another number of requests at once."""
        return engine.model_copy(update={self.requests_field: requests}) if self.requests_field else engine


def knobs_of(engine: EngineBase) -> Knobs:
    """What can be turned on this engine."""
    fields = type(engine).model_fields
    first = {
        what: next((name for name in names if name in fields), None)
        for what, names in (("context", CONTEXT), ("requests", REQUESTS), ("cache", CACHE_KIND), ("share", SHARE))
    }
    cache = first["cache"]
    annotation = fields[cache].annotation if cache else None
    kinds = get_args(annotation) if get_origin(annotation) is Literal else ()
    return Knobs(
        first["context"], first["requests"], cache, tuple(k for k in kinds if isinstance(k, str)), first["share"]
    )
