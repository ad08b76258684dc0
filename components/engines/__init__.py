"""Engines: what serves a model. Each is a pure settings class with `workload(name, model, images) -> Workload`."""

from typing import Annotated

from pydantic import Field

from components.engines.external import External
from components.engines.llamacpp import LlamaCpp
from components.engines.ollama import Ollama
from components.engines.onnx import Onnx
from components.engines.vllm import Vllm

HostedEngine = LlamaCpp | Ollama | Onnx | Vllm
"""Any engine that a stack runs itself: it has a workload, weights and limits."""

Engine = Annotated[External | HostedEngine, Field(discriminator="kind")]
"""Any engine of a stack; `kind` says which."""

__all__ = ["Engine", "External", "HostedEngine", "LlamaCpp", "Ollama", "Onnx", "Vllm"]
