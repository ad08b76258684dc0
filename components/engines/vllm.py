"""vLLM: safetensors models on GPUs, or on CPUs for development, behind an OpenAI-compatible API (pure, no Pulumi)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from components.engines.base import Capability, EngineBase
from components.engines.units import Quantity, mebibytes
from components.engines.vllm_arguments import arguments
from components.engines.vllm_environment import HOME, environment, refuse_reserved
from components.engines.vllm_files import cache_volume, files
from components.engines.vllm_memory import footprint, pool_bytes
from components.footprint import MIB, Footprint
from components.models import Format, Model, Site, Weights
from components.weights_volumes import weights_bytes, weights_roles, weights_volume
from components.workload import FILES_DIRECTORY, RUN_AS, Image, Probe, Resources, Scratch, Workload

USER = 2000
"""The user `vllm` of the published GPU image. Its group there is 0; here it is the one that may read the weights."""


class Vllm(EngineBase):
    """A vLLM server with one model.

    `parallel` requests share the model (--max-num-seqs), each with up to `context_length` tokens (--max-model-len);
    further ones wait, at most `max_queue`, then 503. On GPUs the key-value cache takes what `gpu_memory_utilization`
    leaves beside the weights, on CPUs what `parallel` full contexts need; `kv_cache_memory` sets it. `kv_cache_type`
    fp8 halves it. `dtype` is what is computed with: the weights' own on GPUs; float32 on CPUs, most of which emulate
    16 bits. `quantization` is read from the weights: name it to have it checked, or to have vLLM quantise 16-bit
    weights itself. `tools` is whether it reads tool calls: when the model has them, by default. `enforce_eager` runs
    without compiling first; the default on CPUs. `trust_remote_code` needs a security exception for control 39.
    """

    formats: ClassVar[tuple[Format, ...]] = ("safetensors",)
    scratch: ClassVar[tuple[Scratch, ...]] = (
        Scratch(path="/tmp", size_mib=512),  # noqa: S108
        # Compilers write programs below HOME and load them.
        Scratch(path=HOME, size_mib=512, executable=True),
    )
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {"chat", "choices", "completion_logprobs", "completions", "echo", "json_schema", "logit_bias", "logprobs",
         "max_completion_tokens", "responses", "seed", "stop", "streaming", "tool_choice", "tools"}
    )  # fmt: skip
    _lower: ClassVar[str] = "parallel or context_length, or set dtype: bfloat16"

    kind: Literal["vllm"]
    parallel: int = Field(4, ge=1, le=1024)
    max_queue: int = Field(64, ge=1, le=4096)
    gpu_memory_utilization: float = Field(0.9, ge=0.1, le=0.98)
    kv_cache_memory: Quantity | None = None
    kv_cache_type: Literal["auto", "fp8"] = "auto"
    dtype: Literal["auto", "bfloat16", "float16", "float32"] | None = None
    quantization: str | None = Field(None, pattern=r"^[a-z0-9_-]+$")
    tools: bool | None = None
    enforce_eager: bool | None = None
    trust_remote_code: bool = False
    startup: int = Field(900, ge=300, le=3600)

    @model_validator(mode="after")
    def _settings_agree(self) -> Self:
        refuse_reserved(self.env)
        if self.gpus == 0 and "gpu_memory_utilization" in self.model_fields_set:
            raise ValueError("gpu_memory_utilization is for GPUs and gpus is 0: set kv_cache_memory, or leave it out")
        if self.gpus and self.kv_cache_memory and "gpu_memory_utilization" in self.model_fields_set:
            raise ValueError(
                "gpu_memory_utilization has no effect once kv_cache_memory says how large the cache is: keep one"
            )
        return self

    @property
    def eager(self) -> bool:
        """Whether it runs without compiling first."""
        return self.gpus == 0 if self.enforce_eager is None else self.enforce_eager

    def dtype_for(self, weights: Weights) -> str:
        """What is computed with. Kernels for quantised weights know 16 bits only."""
        return self.dtype or ("auto" if self.gpus or weights.quantization else "float32")

    def calls_tools(self, model: Model) -> bool:
        """Whether tool calls are read from answers. Raises ValueError when asked for and nobody can."""
        able = "tools" in model.capabilities and model.tool_parser is not None
        if self.tools and not able:
            raise ValueError(
                f"tools: true, and nothing says how {model.name} writes tool calls: they would arrive as text — set the"
                " model's capabilities (tools) and tool_parser, or leave tools out"
            )
        return able if self.tools is None else self.tools

    def pool_bytes(self, model: Model) -> int:
        """Bytes of the key-value cache: what is set, or what all requests at once need."""
        if self.kv_cache_memory:
            return mebibytes(self.kv_cache_memory) * MIB
        return self._need(model, self.parallel)

    def _need(self, model: Model, sequences: int) -> int:
        dtype = self.dtype_for(self.weights_of(model)[1])
        return pool_bytes(model, sequences, self.context_length, dtype, self.kv_cache_type)

    def roles(self, model: Model) -> tuple[str, ...]:
        """Its own image, for GPUs or for CPUs, and those that bring the weights."""
        return ("vllm" if self.gpus else "vllm-cpu", *weights_roles(model, self.weights_of(model)[0]))

    def footprint(self, model: Model) -> Footprint:
        """Weights as they are held, the key-value cache of all requests at once, and the server itself.

        On a GPU the cache is then all that `gpu_memory_utilization` leaves, however much that is.
        """
        key, weights = self.weights_of(model)
        disk = weights_bytes(model, key)
        return footprint(weights, model.vocabulary, self.dtype_for(weights), self.pool_bytes(model), self.gpus, disk)

    @property
    def paths(self) -> tuple[tuple[str, str], ...]:
        """Methods and paths the gateway lets through: a list, because the rest is open to anyone who reaches it.

        vLLM's own key would not guard /invocations, /tokenize or /scale_elastic_ep.
        """
        return tuple(("POST", f"/v1/{path}") for path in ("chat/completions", "completions", "responses"))

    @property
    def liveness_path(self) -> str:
        """Path that answers 200 to GET while the server lives, cheaply."""
        return "/health"

    @property
    def deviations(self) -> tuple[tuple[str, int, str], ...]:
        """Settings that undo a control: running the Python code that lies beside a model's weights."""
        harm = "runs code that the model's publisher can change, with all the engine's rights"
        return (("trust_remote_code", 39, harm),) if self.trust_remote_code else ()

    @property
    def shm_mib(self) -> int:
        """Its processes hand each other 400 MiB of buffers; GPUs side by side take more."""
        return 1024 * max(self.gpus, 1)

    def workload(self, name: str, model: Model, images: Mapping[str, Image], site: Site | None = None) -> Workload:
        """The service, its weights, and the jobs that bring them. Raises ValueError when they do not fit each other."""
        self._check(model)
        key, _ = self.weights_of(model)
        image = images[self.roles(model)[0]]
        return Workload(
            name=name,
            image=image,
            args=arguments(self, model),
            env=environment(self.parallel, self.cpus, self.gpus, eager=self.eager) | self.env,
            files=files(self, model),
            volumes=(weights_volume(name, model, key, images, site), cache_volume(name, image)),
            scratch=self.scratch,
            port=self.port,
            probe=Probe(
                command=("bash", f"{FILES_DIRECTORY}/probe.sh", str(self.port), self.served_name),
                interval=5,
                # The script has shorter limits of its own, but for the first token.
                timeout=130,
                retries=4,
                startup=self.startup,
            ),
            resources=Resources(
                memory_mib=self.memory_mib(model),
                cpus=self.cpus,
                pids=2048,
                shm_mib=self.shm_mib,
            ),
            gpus=self.gpus,
            user=USER,
            group=RUN_AS,
            drain=self.drain,
        )

    def _check(self, model: Model) -> None:
        self.check_context(model)
        if self.kv_cache_memory and self.pool_bytes(model) < (one := self._need(model, 1)):
            raise ValueError(
                f"kv_cache_memory {self.kv_cache_memory} does not hold one request of {self.context_length} tokens:"
                f" vLLM would stop at its start — set at least {-(-one // MIB)}Mi, or lower context_length"
            )
        if self.gpus > 1 and model.kv_heads % self.gpus and self.gpus % model.kv_heads:
            raise ValueError(
                f"gpus: {self.gpus} cannot share the {model.kv_heads} key-value heads of {model.name} — use a number"
                f" that divides {model.kv_heads}"
            )
