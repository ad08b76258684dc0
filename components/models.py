"""Models: the facts that sizing needs, and the forms in which their weights exist (pure, no Pulumi).

A model has one or more forms of weights: a GGUF file, a Hugging Face folder of safetensors, an ONNX folder. An engine
takes the first form it can serve. Every form has one pin: its sources are tried in order and each must deliver the
same bytes, so it does not matter for the result which of them is reachable.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from components.model_sources import (
    AzureSource,
    Endpoint,
    HuggingFaceSource,
    ModelName,
    OllamaSource,
    PackageSource,
    PathSource,
    Sha256,
    Source,
)
from components.weights import Format, Weights, WeightsFile
from components.workload import Value

__all__ = [
    "AzureSource",
    "Format",
    "HuggingFaceSource",
    "Model",
    "ModelName",
    "OllamaSource",
    "PackageSource",
    "PathSource",
    "Sha256",
    "Site",
    "Source",
    "Weights",
    "WeightsFile",
    "WeightsName",
]

TEMPLATES = Path(__file__).with_name("chat_templates")
TEMPLATE_NAME = r"[a-z0-9][a-z0-9.-]*"
WeightsName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$")]
Skill = Literal["chat", "tools", "reasoning", "code"]
SizeClass = Literal["micro", "small", "medium", "large"]
CLASS_LIMITS: tuple[tuple[SizeClass, float], ...] = (("micro", 1.45e9), ("small", 13.95e9), ("medium", 30.5e9))
"""Upper limits in parameters: micro is 100M to 1.4B, small 1.5B to 13.9B, medium 14B to 30B, all rounded."""


class Model(Value):
    """A model: its licence, the facts sizing needs, and its weights by form.

    `context_length` is the longest context in tokens it was made for. `layers`, `kv_heads` and `head_size` are the
    shape of its key-value cache; of a model with sliding-window attention only `full_attention_layers` see the whole
    context, the others the last `window` tokens. `vocabulary` is the number of tokens it knows: work buffers grow with
    it. `tied_width` is the width of its embeddings where they are the output layer as well; None where that is a matrix
    of its own (in the GGUF file too), or where nobody knows. `capabilities` are what it was trained for: a base model
    has none and only completes text. `template` is a chat template in Ollama's (Go) language, or the name of one in
    chat_templates, for Ollama, which takes none from a file; `chat_template` is a Jinja one (text or name) for the
    other engines, where the weights' own is missing or has no tools. `tool_parser` and `reasoning_parser` are vLLM's
    words for how the model writes tool calls and thoughts. `weights` are its forms; of several with one format, the
    first is taken unless an engine names another.
    """

    name: ModelName
    license: str = Field(min_length=1)
    gated: bool = False
    context_length: int = Field(ge=256)
    parameters: int = Field(gt=0)
    layers: int = Field(ge=1, le=1000)
    kv_heads: int = Field(ge=1, le=1000)
    head_size: int = Field(ge=1, le=4096)
    vocabulary: int = Field(262_144, ge=1)
    tied_width: int | None = Field(None, ge=1, le=65_536)
    window: int | None = Field(None, ge=1)
    full_attention_layers: int | None = Field(None, ge=0)
    capabilities: tuple[Skill, ...] = ("chat",)
    template: str | None = None
    chat_template: str | None = None
    tool_parser: str | None = Field(None, pattern=r"^[a-z0-9_]+$")
    reasoning_parser: str | None = Field(None, pattern=r"^[a-z0-9_]+$")
    weights: dict[WeightsName, Weights] = Field(min_length=1)

    @property
    def size_class(self) -> SizeClass:
        """Micro, small or medium, by the number of parameters; larger ones are no small language models."""
        return next((name for name, limit in CLASS_LIMITS if self.parameters < limit), "large")

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes that keys and values of one token take at 16 bits each, in all layers."""
        return 2 * 2 * self.layers * self.kv_heads * self.head_size

    def kv_bytes(self, tokens: int) -> int:
        """Bytes of one sequence's key-value cache at 16 bits per value: windows keep no more than they see."""
        per_layer = self.kv_bytes_per_token // self.layers
        if self.window is None:
            return per_layer * self.layers * tokens
        full = self.full_attention_layers or 0
        return per_layer * (full * tokens + (self.layers - full) * min(tokens, self.window))

    def weights_for(
        self, formats: Collection[Format], wanted: str | None = None, device: Literal["cpu", "cuda"] | None = None
    ) -> tuple[str, Weights]:
        """The weights an engine that serves `formats` takes: `wanted` by name, or the first that suit.

        `device` excludes folders made for another one. Raises ValueError naming what there is.
        """
        suitable = {
            name: weights
            for name, weights in self.weights.items()
            if weights.format in formats and (device is None or weights.device in (None, device))
        }
        if wanted is None and suitable:
            return next(iter(suitable.items()))
        if wanted is not None and wanted in suitable:
            return wanted, suitable[wanted]
        there = ", ".join(
            f"{name} ({w.format}{f', {w.device}' if w.device else ''})" for name, w in self.weights.items()
        )
        asked = f"weights '{wanted}'" if wanted else f"weights as {' or '.join(formats)}"
        where = f" for {device}" if device else ""
        raise ValueError(
            f"model '{self.name}' has no {asked}{where}; it has {there} — choose one of"
            f" {', '.join(suitable) or 'another model or engine'}, or describe the weights under slm:models"
        )

    def origin_of(self, name: str) -> Weights:
        """The form that `name` is made from in the end: itself, unless it is converted."""
        while origin := self.weights[name].converted_from:
            name = origin
        return self.weights[name]

    def unpinned_reasons(self, names: Collection[str] | None = None) -> tuple[str, ...]:
        """Why it is not certain that tomorrow's weights are today's; empty for pinned ones.

        `names` are the forms that matter, all of them by default; what a form is made from matters with it.
        """
        chosen = list(self.weights if names is None else names)
        for name in chosen:
            if (origin := self.weights[name].converted_from) and origin not in chosen:
                chosen.append(origin)
        return tuple(f"model '{self.name}': {reason}" for name in chosen for reason in self.weights[name].unpinned())

    @property
    def pinned(self) -> bool:
        """Whether the same configuration always serves the same bytes."""
        return not self.unpinned_reasons()

    def pin(self, name: str) -> str:
        """64 hex characters that name the content of one form; of a converted one, its origin and the recipe."""
        weights = self.weights[name]
        return weights.pin(self.pin(weights.converted_from) if weights.converted_from else None)

    @property
    def template_text(self) -> str | None:
        """The Go chat template itself, also when `template` names one of ours."""
        return _text(self.template, "gotmpl")

    @property
    def chat_template_text(self) -> str | None:
        """The Jinja chat template itself, also when `chat_template` names one of ours."""
        return _text(self.chat_template, "jinja")

    @model_validator(mode="after")
    def _named_templates_exist(self) -> Self:
        for field, value, suffix in (
            ("template", self.template, "gotmpl"),
            ("chat_template", self.chat_template, "jinja"),
        ):
            known = sorted(p.stem for p in TEMPLATES.glob(f"*.{suffix}"))
            if value and re.fullmatch(TEMPLATE_NAME, value) and value not in known:
                raise ValueError(
                    f"model '{self.name}': no chat template is named '{value}'. Use one of {', '.join(known)}, or"
                    f" write the template itself into {field}"
                )
        return self

    @model_validator(mode="after")
    def _weights_belong_together(self) -> Self:
        for name, weights in self.weights.items():
            chain = [name]
            while origin := self.weights[chain[-1]].converted_from:
                if origin not in self.weights:
                    raise ValueError(
                        f"model '{self.name}': weights '{name}' are converted from '{origin}', and there are none"
                    )
                if origin in chain:
                    raise ValueError(f"model '{self.name}': weights '{name}' are converted from themselves")
                chain.append(origin)
            if not weights.sources and not weights.converted_from:
                raise ValueError(
                    f"model '{self.name}': weights '{name}' have neither sources nor converted_from, so nothing could"
                    " bring them — add sources"
                )
        if (self.window is None) != (self.full_attention_layers is None):
            raise ValueError(f"model '{self.name}': window and full_attention_layers describe one thing: give both")
        return self

    @model_validator(mode="after")
    def _gated_models_name_a_secret(self) -> Self:
        """The maker's repository is gated; another's copy or conversion need not be."""
        hubs = [s for weights in self.weights.values() for s in weights.sources if isinstance(s, HuggingFaceSource)]
        if self.gated and hubs and not any(s.token_secret for s in hubs):
            raise ValueError(
                f"model '{self.name}' is gated: the hub answers 401 without a token. Name the secret that holds"
                " one in sources[].token_secret"
            )
        return self


def _text(template: str | None, suffix: str) -> str | None:
    if template is None or not re.fullmatch(TEMPLATE_NAME, template):
        return template
    return (TEMPLATES / f"{template}.{suffix}").read_text()


class Site(Value):
    """What this site's way to the outside needs. Only fetch jobs use it; `up` finds it out and records it.

    `ca_certificates` are PEM certificates added to the public ones, `index` replaces pip's default package index,
    `proxy` is the URL of an HTTP proxy.
    """

    ca_certificates: str = ""
    index: Endpoint | None = None
    proxy: Endpoint | None = None
