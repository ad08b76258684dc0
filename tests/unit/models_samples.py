"""A model and its sources as tests need them."""

from __future__ import annotations

from typing import Any

from components.models import Model

COMMIT = "e" * 40
SHA = "1" * 64
GGUF = "gguf-q4_k_m"
HUB: dict[str, Any] = {"kind": "huggingface", "repo": "maker/tiny", "revision": COMMIT, "file": "tiny.gguf"}
LIBRARY: dict[str, Any] = {"kind": "ollama", "name": "tiny", "tag": "small", "digest": "2" * 64}
PACKAGES: dict[str, Any] = {"kind": "package", "packages": ["tiny-part1==1.0"], "parts": "*/part*.bin"}
PATH: dict[str, Any] = {"kind": "path", "path": "/data/tiny.gguf"}


def gguf(
    sources: list[dict[str, Any]] | None = None,
    file: str = "tiny.gguf",
    size_bytes: int = 500_000_000,
    sha256: str | None = SHA,
) -> dict[str, Any]:
    """Weights of one GGUF file as a description has them."""
    return {
        "format": "gguf",
        "precision": "q4_k_m",
        "size_bytes": size_bytes,
        "files": [{"path": file, "size_bytes": size_bytes, "sha256": sha256}],
        "sources": [HUB] if sources is None else sources,
    }


def model(**changes: Any) -> Model:
    """A pinned half-gigabyte model with a chat template, from the hub; what `gguf` takes goes to its weights."""
    of_weights = {key: changes.pop(key) for key in ("sources", "file", "size_bytes", "sha256") if key in changes}
    facts: dict[str, Any] = {
        "name": "tiny-0.5b",
        "license": "Apache-2.0",
        "context_length": 32_768,
        "parameters": 500_000_000,
        "layers": 24,
        "kv_heads": 2,
        "head_size": 64,
        "template": "chatml-tools",
        "weights": {GGUF: gguf(**of_weights)},
    }
    return Model.model_validate(facts | changes)
