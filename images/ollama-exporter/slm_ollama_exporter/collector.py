"""What an Ollama server says of itself, as metrics. Names begin with `slm_ollama_`, as those of our own server do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
from prometheus_client.core import GaugeMetricFamily, Metric

TIMEOUT = 5
"""Seconds a server may take to answer: less than a scrape may take."""


class OllamaCollector:
    """The metrics of one server, by /api/version and /api/ps; none that changes anything is called."""

    def __init__(self, url: str, client: httpx.Client) -> None:
        self._url, self._client = url.rstrip("/"), client

    def collect(self) -> Iterator[Metric]:
        """Ask now. A server that does not answer, or not in this form, is down and has no other metrics."""
        try:
            version = str(self._get("/api/version")["version"])
            models = [_Loaded(entry) for entry in self._get("/api/ps").get("models") or []]
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError):
            yield GaugeMetricFamily("slm_ollama_up", "1 while the server answers", 0)
            return
        yield GaugeMetricFamily("slm_ollama_up", "1 while the server answers", 1)
        info = GaugeMetricFamily("slm_ollama_info", "The server's version, always 1", labels=["version"])
        info.add_metric([version], 1)
        yield info
        yield GaugeMetricFamily("slm_ollama_models_loaded", "Models in memory", len(models))
        yield _of_each("slm_ollama_model_memory_bytes", "Memory a loaded model takes", models, "size")
        yield _of_each("slm_ollama_model_gpu_memory_bytes", "Part of it that is on GPUs", models, "size_vram")
        yield _of_each("slm_ollama_model_context_tokens", "Tokens of one request's context", models, "context")
        yield _of_each("slm_ollama_model_unload_seconds", "Until it leaves memory if nobody asks", models, "remaining")

    def _get(self, path: str) -> dict[str, Any]:
        answer = self._client.get(f"{self._url}{path}", timeout=TIMEOUT)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


class _Loaded:
    """A model in memory, as /api/ps describes it; what a version of the server does not tell is None."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.name = str(entry["name"]).removesuffix(":latest")
        self.size: float | None = float(entry["size"])
        self.size_vram: float | None = float(entry.get("size_vram") or 0)
        self.context: float | None = float(entry["context_length"]) if entry.get("context_length") else None
        self.remaining = _remaining(str(entry.get("expires_at") or ""))


def _remaining(moment: str) -> float | None:
    """Seconds until a time in RFC 3339's form; None where none is given. One that stays for ever ends in centuries."""
    if not moment:
        return None
    whole, _, rest = moment.partition(".")
    # Nanoseconds are more than Python reads; the zone stands behind them.
    zone = next((rest[i:] for i, sign in enumerate(rest) if sign in "Z+-"), "") if rest else ""
    ends = datetime.fromisoformat((whole + zone).replace("Z", "+00:00"))
    return (ends - datetime.now(UTC)).total_seconds()


def _of_each(name: str, text: str, models: list[_Loaded], field: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=["model"])
    for model in models:
        value = getattr(model, field)
        if value is not None:
            family.add_metric([model.name], value)
    return family
