"""A small valid description that tests change in one place."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from components.catalog import merge
from components.settings import Settings, load

TODAY = date(2026, 11, 23)
DIGEST = "sha256:" + "ab" * 32
HOST_KEY = "ssh-ed25519 " + "AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
GONE = object()
"""In a change: remove the key."""

BASE: Mapping[str, Any] = {
    "slm:targets": {"laptop": {"kind": "docker"}},
    "slm:engines": {"chat": {"kind": "ollama", "target": "laptop", "model": "qwen2.5-coder-0.5b-instruct"}},
    "slm:gateway": {"target": "laptop"},
}


def changed(change: Mapping[str, Any]) -> dict[str, Any]:
    """BASE with `change` laid over it; keys of the change are written without `slm:`."""
    return _pruned(merge(BASE, {f"slm:{key}": value for key, value in change.items()}))


def load_text(text: str, directory: Path, overlay: Mapping[str, Any] | None = None, stack: str = "dev") -> Settings:
    """The settings of a stack file with this content."""
    (directory / f"Pulumi.{stack}.yaml").write_text(text, encoding="utf-8")
    return load(stack, directory, overlay, today=TODAY)


def load_changed(change: Mapping[str, Any], directory: Path, **document: Any) -> Settings:
    """The settings of BASE with a change; `document` are top-level keys of the file."""
    text = yaml.safe_dump({**document, "config": changed(change)}, allow_unicode=True, sort_keys=False)
    return load_text(text, directory)


def _pruned(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _pruned(below) for key, below in value.items() if below is not GONE}
    return value
