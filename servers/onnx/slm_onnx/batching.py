"""Which batcher serves a folder, on which execution provider."""

from __future__ import annotations

import logging
from collections.abc import Callable

import onnxruntime_genai as og  # type: ignore[import-untyped]

from .decoder import Unsupported
from .folder import Folder, FolderError
from .generation import Batcher
from .library import LibraryBatcher
from .settings import Provider, Settings, cpu_limit
from .slots import SlotBatcher

LONG_CONTEXT_TYPES = {"phi3", "phi3small", "phimoe"}
LONG_FROM = 4096
"""Beyond this length these graphs change their position factors: a cache written before is then no longer valid."""

log = logging.getLogger(__name__)


class ProviderError(Exception):
    """No execution provider that was asked for can run the model; the message names each with its reason."""


def make(settings: Settings, folder: Folder) -> Batcher:
    """Load the model on the first provider that can. Raises ProviderError or FolderError."""
    og.disable_telemetry_events()
    reasons = []
    for provider in settings.providers:
        if reason := missing(provider):
            reasons.append(f"{provider}: {reason}")
            log.warning("provider passed over", extra={"provider": provider, "reason": reason})
            continue
        try:
            return _load(settings, folder, provider)
        except (RuntimeError, MemoryError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
            reasons.append(f"{provider}: the model cannot be loaded ({reason})")
            log.warning("provider passed over", extra={"provider": provider, "reason": reason})
    raise ProviderError(
        f"no execution provider can run {folder.path}: {'; '.join(reasons)}. Nothing is served. Use the image made for"
        " the device (onnx-cuda has CUDA), a folder made for it, or add cpu to the setting providers"
    )


def missing(provider: Provider) -> str | None:
    """Why this program has no such provider, or None."""
    if provider == "cuda" and not og.is_cuda_available():
        return "onnxruntime-genai is installed without CUDA here (the package onnxruntime-genai-cuda has it)"
    return None


def _load(settings: Settings, folder: Folder, provider: Provider) -> Batcher:
    threads = settings.threads or cpu_limit()

    def library() -> Batcher:
        return LibraryBatcher(
            folder,
            provider=provider,
            parallel=settings.parallel,
            context_length=settings.context_length,
            threads=threads,
        )

    if settings.batching == "library" or (provider != "cpu" and settings.batching == "auto"):
        return library()
    if provider != "cpu":
        raise RuntimeError("batching by slots is for the CPU: leave the setting batching at auto")
    return _slots(settings, folder, threads, library)


def _slots(settings: Settings, folder: Folder, threads: int, library: Callable[[], Batcher]) -> Batcher:
    try:
        if folder.type in LONG_CONTEXT_TYPES and settings.context_length > LONG_FROM < folder.context_length:
            raise Unsupported(f"a {folder.type} model changes its position factors after {LONG_FROM} tokens")
        return SlotBatcher(
            folder,
            parallel=settings.parallel,
            context_length=settings.context_length,
            threads=threads,
            chunk=settings.prefill_chunk,
            prefix_cache=settings.prefix_cache,
        )
    except Unsupported as reason:
        if settings.batching == "slots":
            raise FolderError(
                f"{folder.path} cannot be served with batching: slots, because {reason}. Set batching to auto"
            ) from None
        log.warning("batching by the library", extra={"reason": str(reason)})
        return library()
