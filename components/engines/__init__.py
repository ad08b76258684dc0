"""Engines: what serves a model. Each is a pure settings class with `workload(name, model, images) -> Workload`."""

from components.engines.ollama import Ollama

Engine = Ollama
"""Any engine. It becomes a union discriminated by `kind` with the second one."""

__all__ = ["Engine", "Ollama"]
