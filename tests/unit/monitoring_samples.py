"""A stack with every kind of engine and its monitoring, for tests of what is planned for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.plan import Planned, plan
from components.settings import Settings
from components.targets.docker.container import Names
from tests.unit.settings_base import DIGEST, load_changed

NAMES = Names("dev")
MODEL = "qwen2.5-coder-0.5b-instruct"
ENGINES = {
    name: {
        "kind": name,
        "target": "laptop",
        "model": "qwen2.5-coder-0.5b-instruct",
        "served_model_name": f"qwen-{name}",
    }
    for name in ("ollama", "llamacpp", "onnx", "vllm")
}

PARTS = {
    "alertmanager",
    "blackbox",
    "cadvisor",
    "collector",
    "engine-api",
    "loki",
    "node-exporter",
    "ollama-exporter",
    "prometheus",
}
"""The workloads of monitoring on a Docker host without a GPU and without Grafana; Ollama's exporter is there because
Ollama is."""


def described(directory: Path, monitoring: Mapping[str, Any] | None = None, **change: Any) -> Settings:
    """A stack on one machine with four engines and its monitoring; `monitoring` and `change` are laid over it."""
    engines = {"chat": {"kind": "ollama", "target": "laptop", "model": MODEL}} | ENGINES
    own = {"monitoring": {"target": "laptop", **(monitoring or {})}, "engines": engines, **change}
    settings = load_changed(own, directory)
    roles = (*settings.roles(), *settings.optional_roles())
    return settings.model_copy(update={"images": {role: settings.images.get(role, DIGEST) for role in roles}})


def planned(settings: Settings) -> dict[str, Planned]:
    """Everything the stack runs, by name."""
    return {p.workload.name: p for p in plan(settings, dict.fromkeys(settings.targets, NAMES))}
