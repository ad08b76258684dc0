"""What every engine that we run ourselves has in common: its fields, its limits, and how it speaks of itself."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from components.engines.units import Quantity, mebibytes
from components.footprint import Footprint
from components.models import Format, Model, ModelName, Site, Weights, WeightsName
from components.workload import Image, Name, Scratch, Value, Workload

Capability = Literal[
    "chat",
    "choices",
    "completion_logprobs",
    "completions",
    "echo",
    "embeddings",
    "functions",
    "json_schema",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "responses",
    "roles",
    "seed",
    "stop",
    "streaming",
    "tool_choice",
    "tools",
]
"""What an engine's API can do; what is not listed is answered by a clear 400, never by silence.

Named after what asks for it (components/gateway/fields.py): `choices` are n and best_of above 1, `logprobs` those of
chats, `tool_choice` any other than auto, `roles` others than system, user, assistant and tool.
"""


class Scaling(Value):
    """Between how many copies an engine runs, as its requests ask for: `min` 0 lets the last one go after
    `idle_seconds` without any, and whoever then asks is told to try again until one is back.
    """

    min: int = Field(1, ge=0, le=1000)
    max: int = Field(ge=1, le=1000)
    idle_seconds: int = Field(600, ge=60, le=86_400)

    @model_validator(mode="after")
    def _can_move(self) -> Self:
        if self.min >= self.max:
            raise ValueError(
                f"scaling from {self.min} to {self.max} leaves nothing to decide — raise max, or set replicas instead"
            )
        return self


class EngineBase(Value, ABC):
    """An engine with one model on a target.

    `served_model_name` is the name clients put into the `model` field, the model's own by default; `weights` chooses
    among the forms the model's weights exist in. `parallel` requests share the model, each with `context_length` tokens
    of its own; further ones wait. `memory` is the hard limit; without it, it is what the model needs.
    `startup` is the time, in seconds, until the first token must have come; `drain` how long, in seconds, a stopping
    engine lets answers finish. `replicas` is how many copies of it run, on a cluster; `scaling` lets an autoscaler
    decide that instead.
    """

    formats: ClassVar[tuple[Format, ...]]
    capabilities: ClassVar[frozenset[Capability]]
    scratch: ClassVar[tuple[Scratch, ...]] = (Scratch(path="/tmp", size_mib=64),)  # noqa: S108

    target: Name
    model: ModelName
    served_model_name: ModelName | None = None
    weights: WeightsName | None = None
    parallel: int = Field(4, ge=1, le=64)
    context_length: int = Field(4096, ge=256)
    port: int = Field(8000, ge=1024, le=65535)
    memory: Quantity | None = None
    cpus: float = Field(2, gt=0, le=1024)
    gpus: int = Field(0, ge=0, le=16)
    startup: int = Field(300, ge=30, le=3600)
    drain: int = Field(120, ge=1, le=3600)
    replicas: int = Field(1, ge=1, le=1000)
    scaling: Scaling | None = None
    env: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_decides_how_many(self) -> Self:
        if self.scaling and self.replicas != 1:
            raise ValueError(f"replicas: {self.replicas} and scaling both say how many copies run — keep one of them")
        return self

    @property
    def most_copies(self) -> int:
        """How many copies of it run at their most."""
        return self.scaling.max if self.scaling else self.replicas

    @property
    def served_name(self) -> str:
        """The name clients put into the `model` field."""
        return self.served_model_name or self.model

    def weights_of(self, model: Model) -> tuple[str, Weights]:
        """The form of the weights it serves, with its name. Raises ValueError when the model has none for it."""
        device: Literal["cpu", "cuda"] = "cuda" if self.gpus else "cpu"
        return model.weights_for(self.formats, self.weights, device)

    def memory_mib(self, model: Model) -> int:
        """The memory limit in MiB.

        Raises ValueError with the numbers and the fix when the limit is below what the model needs.
        """
        need = self.footprint(model)
        enough = math.ceil(need.host_mib / 128) * 128
        if self.memory is None:
            return enough
        limit = mebibytes(self.memory)
        if limit < need.host_mib:
            raise ValueError(
                f"memory limit {self.memory} is below the {need.host_mib} MiB that {model.name} needs: it would be"
                f" killed while it loads. {self._account(need)}. Set memory to {enough}Mi, or lower {self._lower}"
            )
        return limit

    def _account(self, need: Footprint) -> str:
        if need.device == "vram":
            return f"That is main memory beside the {need.device_mib} MiB on the GPU"
        return (
            f"That is {need.weights_mib} MiB of weights, {need.kv_cache_mib} MiB of key-value cache and"
            f" {need.overhead_mib} MiB for the server"
        )

    _lower: ClassVar[str] = "the context or the number of requests"

    @abstractmethod
    def roles(self, model: Model) -> tuple[str, ...]:
        """The images its workload is made of, by their role in the catalogue."""

    @abstractmethod
    def footprint(self, model: Model) -> Footprint:
        """The memory and disk it needs for `model`. Raises ValueError when the model has no weights it can serve."""

    @property
    @abstractmethod
    def paths(self) -> tuple[tuple[str, str], ...]:
        """Methods and paths the gateway lets through; nothing that manages the engine."""

    @property
    @abstractmethod
    def liveness_path(self) -> str:
        """Path that answers 200 to GET while the server lives, cheaply."""

    @property
    def concurrency(self) -> int:
        """Requests it works on at the same time."""
        return self.parallel

    @property
    def shm_mib(self) -> int:
        """Shared memory, in MiB."""
        return 64

    @property
    def directories_mib(self) -> int:
        """MiB of directories in memory. Kubernetes counts them beside the memory limit, Docker within it."""
        return self.shm_mib + sum(one.size_mib for one in self.scratch)

    def check_context(self, model: Model) -> None:
        """Raise ValueError when a request's context is longer than the model was made for."""
        if self.context_length > model.context_length:
            raise ValueError(
                f"context_length {self.context_length} is more than the {model.context_length} tokens that {model.name}"
                f" was made for: answers degrade beyond it. Set at most {model.context_length}"
            )

    @property
    def metrics_path(self) -> str | None:
        """Path of its own Prometheus metrics on its port; None when it has none."""
        return "/metrics"

    @property
    def truncates_at(self) -> int | None:
        """The context in tokens beyond which it silently drops a part of the prompt; None when it refuses."""
        return None

    @property
    def deviations(self) -> tuple[tuple[str, int, str], ...]:
        """Settings that undo a control: field, control, harm. Each needs a security exception for the engine."""
        return ()

    def served_models(self, model: Model) -> tuple[str, ...]:
        """The names clients may put in the `model` field."""
        return (self.served_name,)

    @abstractmethod
    def workload(self, name: str, model: Model, images: Mapping[str, Image], site: Site | None = None) -> Workload:
        """The service and, in its volumes, the jobs that fill them. `images` holds the image of each of `roles`.

        Raises ValueError when model and settings do not fit each other.
        """
