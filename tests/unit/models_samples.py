"""A model and its sources as tests need them."""

from __future__ import annotations

from typing import Any

from components.models import Model

COMMIT = "e" * 40
SHA = "1" * 64
HUB: dict[str, Any] = {"kind": "huggingface", "repo": "maker/tiny", "revision": COMMIT, "file": "tiny.gguf"}
LIBRARY: dict[str, Any] = {"kind": "ollama", "name": "tiny", "tag": "small", "digest": "2" * 64}
PACKAGES: dict[str, Any] = {"kind": "package", "packages": ["tiny-part1==1.0"], "parts": "*/part*.bin"}
PATH: dict[str, Any] = {"kind": "path", "path": "/data/tiny.gguf"}


def model(**changes: Any) -> Model:
    """A pinned half-gigabyte model with a chat template, from the hub."""
    facts: dict[str, Any] = {
        "name": "tiny-0.5b",
        "license": "Apache-2.0",
        "file": "tiny.gguf",
        "size_bytes": 500_000_000,
        "sha256": SHA,
        "context_length": 32_768,
        "parameters": 500_000_000,
        "kv_bytes_per_token": 12_288,
        "template": "chatml-tools",
        "sources": [HUB],
    }
    return Model.model_validate(facts | changes)
