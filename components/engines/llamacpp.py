"""llama.cpp's own server: GGUF models on CPU or GPU behind an OpenAI-compatible API (pure, no Pulumi)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from components.engines import reserved
from components.engines.base import Capability, EngineBase
from components.engines.scripts import script
from components.engines.units import Quantity, mebibytes
from components.footprint import Footprint, mib
from components.models import Format, Model, Site
from components.weights_volumes import PATHS, weights_bytes, weights_roles, weights_volume
from components.workload import FILES_DIRECTORY, File, Image, Probe, Resources, Workload

KV_SHARE = {"f16": 1.0, "q8_0": 8.5 / 16, "q4_0": 4.5 / 16}
"""Bits per cached value over 16: the quantised kinds store a 16-bit scale for every 32 values."""

BATCH = 512
"""Tokens of prompts it computes at once, which a sliding window's cache holds beside the window."""

SERVER_MIB = 80
"""Program and work buffers of a small model; they grow with the model by WORK (measured, docs/evidence.md)."""

WORK = 0.05
CUDA_MIB = 512
"""What CUDA takes on the GPU for itself, and again in main memory."""

CHECKPOINTS = 2
"""Earlier states of a sliding-window cache kept for each request slot, so that the next turn need not begin anew."""

OWN_FIELD = {
    "LLAMA_ARG_N_PARALLEL": "parallel",
    "LLAMA_ARG_CTX_SIZE": "context_length",
    "LLAMA_ARG_THREADS": "cpus",
    "LLAMA_ARG_PORT": "port",
    "LLAMA_ARG_CACHE_RAM": "prompt_cache",
    "LLAMA_ARG_CACHE_TYPE_K": "kv_cache_type",
    "LLAMA_ARG_CACHE_TYPE_V": "kv_cache_type",
    "LLAMA_ARG_ALIAS": "served_model_name",
    "LLAMA_ARG_N_GPU_LAYERS": "gpus",
}
RESERVED = {
    "LLAMA_API_KEY": "the gateway holds the keys",
    "LLAMA_ARG_*": "arguments are decided by the engine class",
    "LLAMA_CACHE": "it never fetches models by itself",
    "HF_*": "it never fetches models by itself",
    "HOME": "the root file system is read-only",
    "PATH": "it decides which programs run",
    "GGML_BACKEND_PATH": "it decides which code runs",
}


class LlamaCpp(EngineBase):
    """A llama.cpp server with one model.

    `parallel` requests share the model, each with `context_length` tokens of its own; further ones wait. What it has
    computed for a request stays in that request's slot and is used again by the next turn of the same conversation;
    `prompt_cache` is main memory for conversations whose slot another request has taken since, none by default.
    """

    formats: ClassVar[tuple[Format, ...]] = ("gguf",)
    # It answers n, but takes no notice of best_of; of roles it knows developer, and drops others; it takes no notice
    # of a tool chosen by name; logprobs of completions come in the form of chats.
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            "chat",
            "completions",
            "json_schema",
            "logit_bias",
            "logprobs",
            "max_completion_tokens",
            "responses",
            "seed",
            "stop",
            "streaming",
            "tools",
        }
    )
    _lower: ClassVar[str] = "parallel, context_length or prompt_cache"

    kind: Literal["llamacpp"]
    port: int = Field(8080, ge=1024, le=65535)
    kv_cache_type: Literal["f16", "q8_0", "q4_0"] = "f16"
    prompt_cache: Quantity | None = None

    @model_validator(mode="after")
    def _nothing_reserved(self) -> Self:
        reserved.refuse(self.env, OWN_FIELD, RESERVED)
        return self

    def roles(self, model: Model) -> tuple[str, ...]:
        """Its own image, for CPUs or GPUs, and those that bring the weights."""
        return (self._role, *weights_roles(model, self.weights_of(model)[0]))

    def footprint(self, model: Model) -> Footprint:
        """Weights, all contexts at their cache's precision, the server and its work buffers, the prompt cache."""
        key, weights = self.weights_of(model)
        cache = self.parallel * self._cache_bytes(model)
        overhead = SERVER_MIB + mib(weights.size_bytes * WORK)
        host = mebibytes(self.prompt_cache) if self.prompt_cache else 0
        host += mib(self.parallel * CHECKPOINTS * self._checkpoint_bytes(model))
        on_gpu = self.gpus > 0
        return Footprint(
            weights_mib=mib(weights.size_bytes),
            kv_cache_mib=mib(cache),
            overhead_mib=overhead + (CUDA_MIB * self.gpus if on_gpu else host),
            device="vram" if on_gpu else "ram",
            # With a GPU the file is read through, and only the table of tokens stays here.
            host_mib=host + SERVER_MIB + CUDA_MIB + mib(weights.size_bytes * 0.3)
            if on_gpu
            else mib(weights.size_bytes) + mib(cache) + overhead + host,
            disk_mib=mib(weights_bytes(model, key)),
        )

    @property
    def paths(self) -> tuple[tuple[str, str], ...]:
        """Methods and paths the gateway lets through: none that shows or changes the server or other requests."""
        return tuple(("POST", f"/v1/{path}") for path in ("chat/completions", "completions", "responses"))

    @property
    def liveness_path(self) -> str:
        """Path that answers 200 to GET while the server lives, cheaply."""
        return "/health"

    def workload(self, name: str, model: Model, images: Mapping[str, Image], site: Site | None = None) -> Workload:
        """The service and, in its volume, the job that fills it. `images` holds the image of each of `roles`.

        Raises ValueError when model and settings do not fit each other.
        """
        self.check_context(model)
        key, weights = self.weights_of(model)
        files = [script("drain"), script("serve", "llamacpp"), script("probe", "llamacpp")]
        if model.chat_template_text is not None:
            files.append(File(name="chat-template.jinja", content=model.chat_template_text))
        return Workload(
            name=name,
            image=images[self._role],
            # By itself the server cuts running answers off when it is asked to stop.
            command=("bash", f"{FILES_DIRECTORY}/serve.sh", str(self.port), str(self.drain)),
            args=self._arguments(f"{PATHS['gguf']}/{weights.file.path}", model),
            # Threads that wait for each other give their core back soon. Left to spin, two of them on a busy machine
            # made less than one token per second where five were possible (measured).
            env={"HOME": "/tmp", "GOMP_SPINCOUNT": "1000"} | self.env,  # noqa: S108
            files=tuple(files),
            volumes=(weights_volume(name, model, key, images, site),),
            scratch=self.scratch,
            port=self.port,
            probe=Probe(
                command=("bash", f"{FILES_DIRECTORY}/probe.sh", str(self.port), str(self.startup - 5)),
                interval=3,
                # The script has shorter limits of its own, but for the first token, which waits for the load.
                timeout=self.startup,
                retries=4,
                startup=self.startup,
            ),
            resources=Resources(memory_mib=self.memory_mib(model), cpus=self.cpus, pids=512),
            gpus=self.gpus,
            drain=self.drain,
        )

    @property
    def _role(self) -> str:
        return "llamacpp-cuda" if self.gpus else "llamacpp"

    def _arguments(self, file: str, model: Model) -> tuple[str, ...]:
        threads = str(math.ceil(self.cpus))
        given = {
            "--model": file,
            "--alias": self.served_name,
            "--host": "0.0.0.0",
            "--port": str(self.port),
            "--parallel": str(self.parallel),
            # The server divides it among the requests.
            "--ctx-size": str(self.parallel * self.context_length),
            "--cache-type-k": self.kv_cache_type,
            "--cache-type-v": self.kv_cache_type,
            "--flash-attn": "on",
            "--cache-ram": str(mebibytes(self.prompt_cache) if self.prompt_cache else 0),
            "--ctx-checkpoints": str(CHECKPOINTS),
            # Left alone it starts a thread per core of the machine, and a CPU limit makes them wait in turns.
            "--threads": threads,
            "--threads-batch": threads,
            # A stream holds its thread until it ends; health checks and metrics need some besides.
            "--threads-http": str(self.parallel + 8),
            # Nothing is shrunk in silence to what is free at the moment.
            "--fit": "off",
        }
        if self.gpus:
            # Named, so that it fails instead of computing on the CPU where a GPU is missing.
            devices = ",".join(f"CUDA{number}" for number in range(self.gpus))
            given |= {"--device": devices, "--n-gpu-layers": "all"}
        if model.chat_template_text is not None:
            given |= {"--chat-template-file": f"{FILES_DIRECTORY}/chat-template.jinja"}
        switches = ("--jinja", "--metrics", "--no-slots", "--no-webui", "--no-mmproj", "--no-kv-unified", "--offline")
        return (*switches, *(word for pair in given.items() for word in pair))

    def _cache_bytes(self, model: Model) -> float:
        """Bytes of one request's cache: a window's layers hold a batch beside what they see."""
        tokens = min(self.context_length, BATCH)
        beside = (self._checkpoint_bytes(model) / model.window * tokens) if model.window else 0
        return (model.kv_bytes(self.context_length) + beside) * KV_SHARE[self.kv_cache_type]

    def _checkpoint_bytes(self, model: Model) -> float:
        """Bytes of the windows of one request, which a checkpoint copies; 0 where every layer sees everything."""
        if model.window is None:
            return 0
        windowed = 1 - (model.full_attention_layers or 0) / model.layers
        return model.kv_bytes_per_token * windowed * min(self.context_length, model.window)
