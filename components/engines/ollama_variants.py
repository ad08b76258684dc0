"""Variants of an Ollama engine's model: the same weights under another name, with its own instructions (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from components.engines.ollama_library import LIBRARY
from components.models import Model, ModelName
from components.workload import Value

OVERRULED = ("temperature", "top_p")
"""Ollama's OpenAI interface sends 1.0 for these where a client sends none, whatever the variant says (ollama#17744)."""


class Parameters(Value):
    """What a variant computes with where a request does not say otherwise, in Ollama's words.

    `top_k` and `min_p` limit which tokens may come next (`top_k: 1` always takes the most likely one, so answers
    repeat). `num_predict` is the longest answer, in tokens; `num_ctx` the context, in tokens, and the engine's own.
    `repeat_penalty` above 1 makes repetitions within the last `repeat_last_n` tokens rarer. `stop` are texts that end
    an answer.
    """

    top_k: int | None = Field(None, ge=1, le=1000)
    min_p: float | None = Field(None, ge=0, le=1)
    num_ctx: int | None = Field(None, ge=256)
    num_predict: int | None = Field(None, ge=1)
    repeat_penalty: float | None = Field(None, ge=0.5, le=2)
    repeat_last_n: int | None = Field(None, ge=0)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    seed: int | None = Field(None, ge=0)
    stop: tuple[Annotated[str, StringConstraints(min_length=1, max_length=100)], ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _reaches_the_model(cls, data: Any) -> Any:
        for name in OVERRULED if isinstance(data, Mapping) else ():
            if name in data:
                raise ValueError(
                    f"'{name}' of a variant has no effect: Ollama's OpenAI interface replaces it by 1.0 when a request"
                    f" has none (ollama#17744). Send {name} with each request, or use top_k (with 1, answers repeat)"
                )
        return data


class Variant(Value):
    """One more name for the engine's model.

    `system` is the system prompt of chats that have none of their own; `template` replaces the chat template
    (Ollama's Go language).
    """

    system: Annotated[str, StringConstraints(min_length=1, max_length=16_384)] | None = None
    parameters: Parameters = Parameters()
    template: Annotated[str, StringConstraints(min_length=1)] | None = None

    @model_validator(mode="after")
    def _differs(self) -> Self:
        if self == Variant.model_construct(system=None, parameters=Parameters(), template=None):
            raise ValueError("a variant without system, parameters or template would be the model itself: add one")
        return self

    def wanted(self, name: str, origin: str, threads: int) -> dict[str, Any]:
        """The request that makes it from the model `origin`."""
        parameters = self.parameters.model_dump(exclude_none=True, exclude_defaults=True)
        own = {"system": self.system, "template": self.template}
        # Another number of threads would make Ollama load the model anew whenever the name changes.
        return (
            {"model": name, "from": origin, "parameters": {"num_thread": threads, **parameters}}
            | {key: value for key, value in own.items() if value is not None}
            | {"stream": False}
        )


def check_names(variants: Mapping[ModelName, Variant], served_name: str, context_length: int) -> None:
    """Raise ValueError for a variant whose name or context would mislead or disturb."""
    for name, variant in variants.items():
        if name == served_name:
            raise ValueError(f"variant '{name}' has the name of the model itself: choose another")
        if name in LIBRARY:
            raise ValueError(
                f"variant '{name}' has the name of another model of Ollama's library, with weights of its own: clients"
                f" would not get what they expect. Put something before it ('my-{name}'), or serve that model"
            )
        if variant.parameters.num_ctx not in (None, context_length):
            raise ValueError(
                f"variant '{name}': num_ctx {variant.parameters.num_ctx} is not the engine's context_length"
                f" {context_length}, so Ollama would load the model anew at each change between names. Set the engine's"
                " context_length, or give it an engine of its own"
            )


def check_templates(variants: Mapping[ModelName, Variant], model: Model) -> None:
    """Raise ValueError for a system prompt that the chat template would drop without a word."""
    for name, variant in variants.items():
        template = variant.template or model.template_text
        if variant.system and template is not None and ".System" not in template:
            raise ValueError(
                f"variant '{name}': its chat template has no place for a system prompt (.System), so Ollama would"
                " ignore 'system' silently. Add it to the template, or leave 'system' out"
            )
