"""Ollama: GGUF models on CPU or GPU behind an OpenAI-compatible API (pure, no Pulumi)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from components.engines.base import Capability, EngineBase
from components.engines.ollama_environment import refuse_reserved
from components.engines.ollama_import import digest, import_job
from components.engines.ollama_variants import Variant, check_names, check_templates
from components.engines.scripts import script
from components.engines.units import Duration
from components.fetching import fetch_job
from components.footprint import Footprint, mib
from components.models import Format, Model, ModelName, OllamaSource, Site
from components.workload import FILES_DIRECTORY, Image, Probe, Resources, Scratch, Volume, Workload

STORE = "/models"
SERVER_MIB = 160
REQUEST_MIB = 16
REQUEST_TOKEN_BYTES = 440
WORK_SHARE = 0.04
"""The server and its runner, what each request adds, and work buffers as a share of the weights (measured on a CPU).

A plain request adds 16 MiB. One held to JSON about 45 more, log probabilities as much again, for a vocabulary of
151,936: both look at each of its tokens. Four of each at once were killed at a limit without room for them.
"""

TIED_BITS = 8.5
"""An output layer that is the embeddings again is loaded a second time, at eight bits a value (Gemma 3 270M at q4_k_m:
405 MiB of a file of 242).
"""

BATCH = 512
"""Tokens of a prompt that are computed at once: buffers for them grow with the context."""

CUDA_MIB = 640
"""What each GPU gives to CUDA itself: the upper end of what is published, not measured here."""

KV_SHARE = {"f16": 1.0, "q8_0": 8.5 / 16, "q4_0": 4.5 / 16}
"""Bits per cached value over 16: the quantised kinds store a 16-bit scale for every 32 values."""


class Ollama(EngineBase):
    """An Ollama server with one model.

    `parallel` requests share the model, each with `context_length` tokens of its own; further ones wait, at most
    `max_queue`. `keep_alive` is how long an idle model stays in memory (-1: for ever), `load_timeout` how long a
    stalled load may take. `variants` are further names of the model, with instructions and parameters of their own.
    """

    formats: ClassVar[tuple[Format, ...]] = ("gguf",)
    scratch: ClassVar[tuple[Scratch, ...]] = (Scratch(path="/tmp", size_mib=256),)  # noqa: S108
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            "chat",
            "completions",
            "embeddings",
            "json_schema",
            "logprobs",
            "responses",
            "seed",
            "stop",
            "streaming",
            "tools",
        }
    )
    _lower: ClassVar[str] = "parallel or context_length"

    kind: Literal["ollama"]
    port: int = Field(11434, ge=1024, le=65535)
    loaded_models: int = Field(1, ge=1, le=16)
    flash_attention: bool = True
    keep_alive: Duration = "5m"
    max_queue: int = Field(64, ge=1, le=4096)
    kv_cache_type: Literal["f16", "q8_0", "q4_0"] = "f16"
    load_timeout: Duration = "5m"
    variants: dict[ModelName, Variant] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _settings_agree(self) -> Self:
        refuse_reserved(self.env)
        check_names(self.variants, self.served_name, self.context_length)
        if self.kv_cache_type != "f16" and not self.flash_attention:
            raise ValueError(f"kv_cache_type {self.kv_cache_type} needs flash_attention: true (or use f16)")
        return self

    def roles(self, model: Model) -> tuple[str, ...]:
        """Its own image, which also imports the weights, and the one that fetches them."""
        return ("ollama", "fetch")

    def footprint(self, model: Model) -> Footprint:
        """Weights, all contexts, work buffers, and the server itself.

        On a GPU, buffers for the scores of every token of the vocabulary are taken in full; on a CPU they are only
        touched for the last token of each prompt. Weights pass through main memory on their way to a GPU.
        """
        size = self.weights_of(model)[1].size_bytes
        cache = mib(self.parallel * self._cache_bytes(model) * KV_SHARE[self.kv_cache_type])
        # A mask for every token of the batch; without flash attention, scores for up to eight heads to each cached one.
        per_token = 6 if self.flash_attention else 6 + 4 * 8 * model.kv_heads
        buffers = mib(size * WORK_SHARE + BATCH * self.context_length * per_token)
        server = SERVER_MIB + self.parallel * (REQUEST_MIB + mib(model.vocabulary * REQUEST_TOKEN_BYTES))
        held = mib(size + model.vocabulary * (model.tied_width or 0) * TIED_BITS / 8)
        if self.gpus:
            scores = mib(BATCH * model.vocabulary * 4)
            return Footprint(
                weights_mib=mib(size),
                kv_cache_mib=cache,
                overhead_mib=(buffers + scores + CUDA_MIB) * self.gpus,
                device="vram",
                host_mib=held + server + CUDA_MIB,
                disk_mib=mib(size),
            )
        return Footprint(
            weights_mib=held,
            kv_cache_mib=cache,
            overhead_mib=buffers + server,
            host_mib=held + cache + buffers + server,
            disk_mib=mib(size),
        )

    def _cache_bytes(self, model: Model) -> int:
        """Bytes of one request's cache at 16 bits. Windows keep what is computed at once as well as what they see."""
        if model.window is None:
            return model.kv_bytes(self.context_length)
        return model.model_copy(update={"window": model.window + BATCH}).kv_bytes(self.context_length)

    @property
    def paths(self) -> tuple[tuple[str, str], ...]:
        """Methods and paths the gateway lets through.

        Ollama's own API is not among them: its `options` and `keep_alive` let one client resize or unload the model
        for everybody, and next to it lie pull, create and delete, which know no authentication.
        """
        return tuple(("POST", f"/v1/{path}") for path in ("chat/completions", "completions", "embeddings", "responses"))

    @property
    def liveness_path(self) -> str:
        """Path that answers 200 to GET while the server lives, cheaply."""
        return "/api/version"

    @property
    def metrics_path(self) -> None:
        """It has no metrics: an exporter asks its API instead."""
        return

    @property
    def truncates_at(self) -> int | None:
        """Its OpenAI interface drops the oldest messages, then the beginning of the last one, without a word."""
        return self.context_length

    def workload(self, name: str, model: Model, images: Mapping[str, Image], site: Site | None = None) -> Workload:
        """The service and, in its volume, the jobs that fill it. `images` holds the roles `ollama` and `fetch`.

        Raises ValueError when model and settings do not fit each other.
        """
        self._check(model)
        forever = "always" if self.keep_alive.startswith("-") else "first"
        probe = f"{FILES_DIRECTORY}/probe.sh"
        return Workload(
            name=name,
            image=images["ollama"],
            # By itself the server cuts running answers off when it is asked to stop.
            command=("bash", f"{FILES_DIRECTORY}/serve.sh", str(self.drain)),
            env=self._environment("0.0.0.0") | self.env,
            files=(script("drain"), *(script(part, "ollama") for part in ("http", "probe", "serve"))),
            volumes=(self._store(name, model, images, site),),
            scratch=self.scratch,
            port=self.port,
            probe=Probe(
                command=("bash", probe, self.served_name, forever, str(self.startup - 5)),
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

    def _store(self, name: str, model: Model, images: Mapping[str, Image], site: Site | None) -> Volume:
        """The volume with weights and names, and the jobs that fill it: one fetches, one gives the names."""
        key, weights = self.weights_of(model)
        wanted = self._wanted(model)
        # Two engines may serve one model under two names, and each puts its own names into its store.
        own = [digest(self.served_name)[:6]] if self.served_model_name else []
        store = Volume(
            name="-".join(["ollama", model.pin(key)[:12], *own]),
            path=STORE,
            size_gib=mib(weights.size_bytes * 1.2) / 1024,
            keep=True,
            revision=digest(json.dumps(wanted, sort_keys=True))[:12],
        )
        fetch = fetch_job(f"{name[:34]}-fetch", model, weights, images["fetch"], store, layout="ollama", site=site)
        names = [self.served_name, *self.variants]
        importing = import_job(name, names, wanted, images["ollama"], store, self._environment("127.0.0.1"))
        return store.model_copy(update={"fill": (fetch, importing)})

    def _check(self, model: Model) -> None:
        self.check_context(model)
        # A base model holds no chats: what Ollama uses without a template, the prompt alone, is right for it.
        bare = model.template is None and "chat" in model.capabilities
        if bare and not all(isinstance(s, OllamaSource) for s in self.weights_of(model)[1].sources):
            raise ValueError(
                f"model '{model.name}': Ollama takes no chat template from a GGUF file, so chats would run without"
                " roles or system prompt. Set the model's template (chatml-tools, or a Go template)"
            )
        check_templates(self.variants, model)

    def _environment(self, host: str) -> dict[str, str]:
        return {
            "OLLAMA_HOST": f"{host}:{self.port}",
            "OLLAMA_MODELS": STORE,
            "OLLAMA_NOPRUNE": "1",
            "OLLAMA_NO_CLOUD": "1",
            "OLLAMA_NUM_PARALLEL": str(self.parallel),
            "OLLAMA_MAX_LOADED_MODELS": str(self.loaded_models),
            "OLLAMA_FLASH_ATTENTION": "1" if self.flash_attention else "0",
            "OLLAMA_KEEP_ALIVE": self.keep_alive,
            "OLLAMA_CONTEXT_LENGTH": str(self.context_length),
            "OLLAMA_MAX_QUEUE": str(self.max_queue),
            "OLLAMA_KV_CACHE_TYPE": self.kv_cache_type,
            "OLLAMA_LOAD_TIMEOUT": self.load_timeout,
            # Servers since 0.33 hand these to llama-server, whose own defaults (8 GiB of old prompts, copies of sliding
            # windows) would grow past the memory limit until the kernel kills it.
            "LLAMA_ARG_CACHE_RAM": "0",
            "LLAMA_ARG_CTX_CHECKPOINTS": "0",
            "GIN_MODE": "release",
            "HOME": "/tmp",  # noqa: S108
        }

    def served_models(self, model: Model) -> tuple[str, ...]:
        """The names clients may put in the `model` field: the model's own, and its variants."""
        return (self.served_name, *self.variants)

    def _wanted(self, model: Model) -> list[dict[str, object]]:
        """What is asked of Ollama's API to make the model, and then each variant of it."""
        # Left alone, Ollama starts a thread per core of the machine, and a CPU limit then makes them wait in turns.
        threads = math.ceil(self.cpus)
        base: dict[str, object] = {"model": self.served_name, "parameters": {"num_thread": threads}}
        if model.template is not None:
            base["template"] = model.template_text
        base["stream"] = False
        return [base, *(v.wanted(name, self.served_name, threads) for name, v in self.variants.items())]
