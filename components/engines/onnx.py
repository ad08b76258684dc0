"""ONNX Runtime: our own server (servers/onnx) for onnxruntime-genai's folders, on CPUs and GPUs (pure, no Pulumi)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from components.engines.base import Capability, EngineBase
from components.engines.reserved import refuse
from components.engines.scripts import script
from components.footprint import Footprint, mib
from components.models import Format, Model, Site
from components.weights_volumes import PATHS, weights_bytes, weights_roles, weights_volume
from components.workload import FILES_DIRECTORY, File, Image, Probe, Resources, Workload

Provider = Literal["cuda", "cpu"]

SERVER_MIB = 128
"""Python, its packages and the graph (measured)."""

TOKEN_BYTES = 1024
"""The two tokenizers, per token of the vocabulary (measured: 145 MiB for 152,000)."""

REPACKED_BYTES = 0.6
"""The runtime keeps a second copy of int4 matrices, packed for the CPU: bytes per parameter (measured)."""

CACHE_BYTES = 4
"""Bytes of a cached value on the CPU: graphs made for it keep keys and values in 32 bits, those for CUDA in 16."""

GPU_MIB = 1536
"""CUDA context and buffers: an estimate, not measured here."""

GPU_HOST_MIB = 2048
"""Main memory beside a GPU, on top of the weights, which pass through it: an estimate, not measured here."""

OWN_FIELD = {
    "SLM_ONNX_CONTEXT_LENGTH": "context_length",
    "SLM_ONNX_PARALLEL": "parallel",
    "SLM_ONNX_MAX_QUEUE": "max_queue",
    "SLM_ONNX_PROVIDERS": "providers",
    "SLM_ONNX_BATCHING": "batching",
    "SLM_ONNX_PREFILL_CHUNK": "prefill_chunk",
    "SLM_ONNX_PREFIX_CACHE": "prefix_cache",
    "SLM_ONNX_THREADS": "cpus",
    "OMP_NUM_THREADS": "cpus",
    "SLM_ONNX_PORT": "port",
    "SLM_ONNX_DRAIN_SECONDS": "drain",
    "SLM_ONNX_MODEL": "served_model_name",
    "CUDA_VISIBLE_DEVICES": "gpus",
    "NVIDIA_VISIBLE_DEVICES": "gpus",
}
RESERVED = {
    "SLM_ONNX_FOLDER": "weights come from the model's own volume",
    "SLM_ONNX_HOST": "engines are never published; expose the gateway",
    "ORT_*": "it changes what the runtime reports or loads",
    "ORTGENAI_*": "it writes prompts and answers into logs",
}


class Onnx(EngineBase):
    """An ONNX Runtime server with one model.

    `parallel` requests share the model, each with up to `context_length` tokens; further ones wait, at most
    `max_queue`, then 429. `providers` are the execution providers in order of preference, `cuda` with GPUs and `cpu`
    without by default; with both, a GPU that fails is replaced by the CPU. `prefill_chunk` prompt tokens are read in
    one step. `prefix_cache`: a request that begins like an earlier one reads only the rest. `batching` chooses the
    server's own continuous batching (`slots`) or the library's engine; see docs/onnx-server.md.
    """

    formats: ClassVar[tuple[Format, ...]] = ("onnx",)
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            "chat",
            "completions",
            "json_schema",
            "max_completion_tokens",
            "roles",
            "seed",
            "stop",
            "streaming",
            "tool_choice",
            "tools",
        }
    )
    _lower: ClassVar[str] = "parallel, context_length or prefill_chunk"

    kind: Literal["onnx"]
    port: int = Field(8080, ge=1024, le=65535)
    max_queue: int = Field(64, ge=0, le=4096)
    providers: tuple[Provider, ...] | None = Field(None, min_length=1, max_length=2)
    batching: Literal["auto", "slots", "library"] = "auto"
    prefill_chunk: int = Field(256, ge=8, le=4096)
    prefix_cache: bool = True

    @model_validator(mode="after")
    def _settings_agree(self) -> Self:
        refuse(self.env, OWN_FIELD, RESERVED)
        if self.providers and len(set(self.providers)) != len(self.providers):
            raise ValueError("providers: each one once")
        if self.gpus > 1:
            raise ValueError(f"gpus: {self.gpus}, and ONNX Runtime runs a model on one: use 1, or vllm for several")
        if self.gpus and "cuda" not in self.execution_providers:
            raise ValueError("a GPU is asked for and providers does not name cuda: it would stay idle")
        if not self.gpus and self.execution_providers == ("cuda",):
            raise ValueError("providers: cuda alone needs a GPU: set gpus: 1, or add cpu")
        if self.gpus and self.batching == "slots":
            raise ValueError("batching: slots is for CPUs: leave it at auto")
        return self

    @property
    def execution_providers(self) -> tuple[Provider, ...]:
        """The providers in the order they are tried."""
        return self.providers or (("cuda",) if self.gpus else ("cpu",))

    def roles(self, model: Model) -> tuple[str, ...]:
        """Its own image, for GPUs or for CPUs, and those that bring the weights."""
        return ("onnx-cuda" if self.gpus else "onnx", *weights_roles(model, self.weights_of(model)[0]))

    def footprint(self, model: Model) -> Footprint:
        """Weights and their packed copy, every request's full context, and the logits of one piece of prompt.

        The graphs compute the logits of every token they read, 32 bits for each token of the vocabulary.
        """
        key, weights = self.weights_of(model)
        cached = self.parallel * self.context_length * model.kv_bytes_per_token
        held, disk = mib(weights.size_bytes), mib(weights_bytes(model, key))
        if self.gpus:
            return Footprint(
                weights_mib=held,
                kv_cache_mib=mib(cached),
                overhead_mib=GPU_MIB,
                device="vram",
                host_mib=held + GPU_HOST_MIB,
                disk_mib=disk,
            )
        cache = mib(cached / 2 * CACHE_BYTES)
        int4 = weights.precision.startswith("int4")
        repacked = min(weights.size_bytes, model.parameters * REPACKED_BYTES) if int4 else weights.size_bytes
        work = SERVER_MIB + mib(repacked + model.vocabulary * (TOKEN_BYTES + 4 * self.prefill_chunk))
        return Footprint(
            weights_mib=held, kv_cache_mib=cache, overhead_mib=work, host_mib=held + cache + work, disk_mib=disk
        )

    @property
    def paths(self) -> tuple[tuple[str, str], ...]:
        """Methods and paths the gateway lets through; metrics and probes are not for clients."""
        return (("POST", "/v1/chat/completions"), ("POST", "/v1/completions"), ("POST", "/reasoning"))

    @property
    def liveness_path(self) -> str:
        """Path that answers 200 to GET while the server lives, cheaply."""
        return "/live"

    def workload(self, name: str, model: Model, images: Mapping[str, Image], site: Site | None = None) -> Workload:
        """The service and, in its volumes, the jobs that fill them. `images` holds the image of each of `roles`.

        Raises ValueError when model and settings do not fit each other.
        """
        self.check_context(model)
        key, _ = self.weights_of(model)
        template = model.chat_template_text
        return Workload(
            name=name,
            image=images[self.roles(model)[0]],
            env=self._environment(with_template=template is not None) | self.env,
            files=(
                script("probe", "onnx"),
                *([File(name="chat_template.jinja", content=template)] if template is not None else []),
            ),
            volumes=(weights_volume(name, model, key, images, site),),
            scratch=self.scratch,
            port=self.port,
            probe=Probe(
                command=("bash", f"{FILES_DIRECTORY}/probe.sh", str(self.port)),
                interval=3,
                timeout=6,
                retries=4,
                startup=self.startup,
            ),
            resources=Resources(memory_mib=self.memory_mib(model), cpus=self.cpus, pids=256),
            gpus=self.gpus,
            drain=self.drain,
        )

    def _environment(self, *, with_template: bool) -> dict[str, str]:
        told: dict[str, object] = {
            "folder": PATHS["onnx"],
            "model": self.served_name,
            "port": self.port,
            "providers": ",".join(self.execution_providers),
            "batching": self.batching,
            "context_length": self.context_length,
            "parallel": self.parallel,
            "max_queue": self.max_queue,
            "threads": math.ceil(self.cpus),
            "prefill_chunk": self.prefill_chunk,
            "prefix_cache": str(self.prefix_cache).lower(),
            # The target kills what is still there at `drain`; the server ends by itself before that.
            "drain_seconds": max(self.drain - 2, 1) if self.drain > 1 else 0.5,
        }
        if with_template:
            told["chat_template"] = f"{FILES_DIRECTORY}/chat_template.jinja"
        return {f"SLM_ONNX_{key.upper()}": str(value) for key, value in told.items()}
