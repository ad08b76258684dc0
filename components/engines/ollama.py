"""Ollama: GGUF models on CPU or GPU behind an OpenAI-compatible API (pure, no Pulumi)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from components.engines.ollama_environment import refuse_reserved
from components.engines.units import Duration, Quantity, mebibytes
from components.fetching import fetch_job
from components.models import Model, ModelName, OllamaSource, Site
from components.workload import (
    FILES_DIRECTORY,
    File,
    Image,
    Name,
    Probe,
    Resources,
    Scratch,
    Value,
    Volume,
    Workload,
)

MIB = 1024 * 1024
STORE = "/models"
SERVER_MIB = 256
"""The server itself and its work buffers, which grow with the vocabulary more than with the model (measured)."""

KV_SHARE = {"f16": 1.0, "q8_0": 8.5 / 16, "q4_0": 4.5 / 16}
"""Bits per cached value over 16: the quantised kinds store a 16-bit scale for every 32 values."""


class Ollama(Value):
    """An Ollama server with one model.

    `parallel` requests share the model, each with `context_length` tokens of its own; further ones wait, at most
    `max_queue`. `keep_alive` is how long an idle model stays in memory (-1: for ever), `load_timeout` how long a
    stalled load may take. `memory` is the hard limit; without it, it is what the model needs. `startup` is the time,
    in seconds, until the first token must have come.
    """

    kind: Literal["ollama"]
    target: Name
    model: ModelName
    port: int = Field(11434, ge=1024, le=65535)
    parallel: int = Field(4, ge=1, le=64)
    loaded_models: int = Field(1, ge=1, le=16)
    flash_attention: bool = True
    keep_alive: Duration = "5m"
    context_length: int = Field(4096, ge=256)
    max_queue: int = Field(64, ge=1, le=4096)
    kv_cache_type: Literal["f16", "q8_0", "q4_0"] = "f16"
    load_timeout: Duration = "5m"
    memory: Quantity | None = None
    cpus: float = Field(2, gt=0, le=1024)
    gpus: int = Field(0, ge=0, le=16)
    startup: int = Field(300, ge=30, le=3600)
    drain: int = Field(120, ge=1, le=3600)
    env: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _settings_agree(self) -> Self:
        refuse_reserved(self.env)
        if self.kv_cache_type != "f16" and not self.flash_attention:
            raise ValueError(f"kv_cache_type {self.kv_cache_type} needs flash_attention: true (or use f16)")
        return self

    def need_mib(self, model: Model) -> int:
        """Memory in MiB this engine needs for `model`: weights with a fifth on top, all contexts, the server."""
        cache = self.parallel * self.context_length * model.kv_bytes_per_token * KV_SHARE[self.kv_cache_type]
        return math.ceil((model.size_bytes * 1.2 + (0 if self.gpus else cache)) / MIB) + SERVER_MIB

    def memory_mib(self, model: Model) -> int:
        """The memory limit in MiB.

        Raises ValueError with the numbers and the fix when the limit is below what the model needs.
        """
        need = self.need_mib(model)
        if self.memory is None:
            return math.ceil(need / 128) * 128
        limit = mebibytes(self.memory)
        if limit < need:
            raise ValueError(
                f"memory limit {self.memory} is below the {need} MiB that {model.name} needs: it would be killed while"
                f" it loads. That is {model.size_bytes // MIB} MiB of weights x 1.2, {self.parallel} requests x"
                f" {self.context_length} tokens, and {SERVER_MIB} MiB for the server. Set memory to"
                f" {math.ceil(need / 128) * 128}Mi, or lower parallel or context_length"
            )
        return limit

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
    def concurrency(self) -> int:
        """Requests it works on at the same time."""
        return self.parallel

    def served_models(self, model: Model) -> tuple[str, ...]:
        """The names clients may put in the `model` field."""
        return (model.name,)

    def workload(self, name: str, model: Model, images: Mapping[str, Image], site: Site | None = None) -> Workload:
        """The service and, in its volume, the jobs that fill it. `images` holds the roles `ollama` and `fetch`.

        Raises ValueError when model and settings do not fit each other.
        """
        self._check(model)
        store = Volume(
            name=f"ollama-{model.pin[:12]}",
            path=STORE,
            size_gib=math.ceil(model.size_bytes * 1.2 / MIB) / 1024,
            keep=True,
        )
        fetch = fetch_job(f"{name[:34]}-fetch", model, images["fetch"], store, layout="ollama", site=site)
        forever = "always" if self.keep_alive.startswith("-") else "first"
        script = f"{FILES_DIRECTORY}/probe.sh"
        return Workload(
            name=name,
            image=images["ollama"],
            args=("serve",),
            env=self._environment("0.0.0.0") | self.env,
            files=(_script("http"), _script("probe")),
            volumes=(store.model_copy(update={"fill": (fetch, self._import(name, model, images["ollama"], store))}),),
            scratch=(Scratch(path="/tmp", size_mib=256),),  # noqa: S108
            port=self.port,
            probe=Probe(
                command=("bash", script, model.name, forever, str(self.startup - 5)),
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

    def _check(self, model: Model) -> None:
        if not model.file.endswith(".gguf"):
            raise ValueError(f"model '{model.name}': Ollama serves GGUF files, and {model.file} is none")
        if self.context_length > model.context_length:
            raise ValueError(
                f"context_length {self.context_length} is more than the {model.context_length} tokens that {model.name}"
                f" was made for: answers degrade beyond it. Set at most {model.context_length}"
            )
        if model.template is None and not all(isinstance(s, OllamaSource) for s in model.sources):
            raise ValueError(
                f"model '{model.name}': Ollama takes no chat template from a GGUF file, so chats would run without"
                " roles or system prompt. Set the model's template (chatml-tools, or a Go template)"
            )

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
            "GIN_MODE": "release",
            "HOME": "/tmp",  # noqa: S108
        }

    def _import(self, name: str, model: Model, image: Image, store: Volume) -> Workload:
        """The job that gives the fetched blob its name and chat template, on the same volume, without a way out."""
        # Left alone, Ollama starts a thread per core of the machine, and a CPU limit then makes them wait in turns.
        wanted: dict[str, object] = {"model": model.name, "parameters": {"num_thread": math.ceil(self.cpus)}}
        if model.template is not None:
            wanted["template"] = model.template_text
        wanted["stream"] = False
        return Workload(
            name=f"{name[:33]}-import",
            image=image,
            command=("bash", f"{FILES_DIRECTORY}/import.sh", model.name),
            env={k: v for k, v in self._environment("127.0.0.1").items() if k in IMPORT_ENVIRONMENT},
            files=(_script("http"), _script("import"), File(name="create.json", content=json.dumps(wanted))),
            volumes=(store.model_copy(update={"read_only": False}),),
            scratch=(Scratch(path="/tmp", size_mib=64),),  # noqa: S108
            resources=Resources(memory_mib=1024, cpus=1),
            deadline=3600,
        )


IMPORT_ENVIRONMENT = {"OLLAMA_HOST", "OLLAMA_MODELS", "OLLAMA_NOPRUNE", "OLLAMA_NO_CLOUD", "GIN_MODE", "HOME"}


def _script(part: str) -> File:
    return File(name=f"{part}.sh", content=Path(__file__).with_name(f"ollama_{part}.sh").read_text())
