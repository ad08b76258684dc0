"""Models: what the weights are, how they are pinned, and the facts that sizing needs (pure, no Pulumi).

A model is one file. Its sha256 is the pin: sources are tried in order and every one must deliver these same bytes,
so it does not matter for the result which of them is reachable.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from components.model_sources import (
    Endpoint,
    HuggingFaceSource,
    ModelName,
    OllamaSource,
    PackageSource,
    PathSource,
    Sha256,
    Source,
    WeightsFile,
)
from components.workload import Value

__all__ = [
    "HuggingFaceSource",
    "Model",
    "ModelName",
    "OllamaSource",
    "PackageSource",
    "PathSource",
    "Sha256",
    "Site",
    "Source",
]

TEMPLATES = Path(__file__).with_name("chat_templates")
TEMPLATE_NAME = r"[a-z0-9-]+"


class Model(Value):
    """A model's weights, their pin, their sources in the order they are tried, and the facts sizing needs.

    `size_bytes` is the size of the file; `context_length` the longest context in tokens it was made for;
    `kv_bytes_per_token` the memory one token of context takes at 16 bits per value. `template` is a chat
    template in Ollama's (Go) language, or the name of one in chat_templates, for engines that take none from the file.
    """

    name: ModelName
    license: str = Field(min_length=1)
    file: WeightsFile
    size_bytes: int = Field(gt=0)
    sha256: Sha256 | None = None
    context_length: int = Field(ge=256)
    parameters: int = Field(gt=0)
    kv_bytes_per_token: int = Field(gt=0)
    template: str | None = None
    gated: bool = False
    sources: tuple[Source, ...] = Field(min_length=1)

    def unpinned_reasons(self) -> tuple[str, ...]:
        """Why it is not certain that tomorrow's weights are today's; empty for a pinned model."""
        reasons = []
        if self.sha256 is None:
            reasons.append(f"model '{self.name}': the sha256 of {self.file} is not known (fix: make pin)")
        for source in self.sources:
            if isinstance(source, OllamaSource) and source.digest is None:
                reasons.append(
                    f"model '{self.name}': tag {source.name}:{source.tag} of the Ollama library can move and its"
                    " manifest digest is not known (fix: make pin)"
                )
        return tuple(reasons)

    @property
    def pinned(self) -> bool:
        """Whether the same configuration always serves the same bytes."""
        return not self.unpinned_reasons()

    @property
    def template_text(self) -> str | None:
        """The chat template itself, also when `template` names one of ours."""
        if self.template is None or not re.fullmatch(TEMPLATE_NAME, self.template):
            return self.template
        return (TEMPLATES / f"{self.template}.gotmpl").read_text()

    @property
    def pin(self) -> str:
        """64 hex characters that name this content: the file's sha256, or a digest of the sources while unpinned."""
        described = json.dumps([s.model_dump(mode="json") for s in self.sources], sort_keys=True)
        return self.sha256 or hashlib.sha256(described.encode()).hexdigest()

    @model_validator(mode="after")
    def _named_template_exists(self) -> Self:
        known = sorted(p.stem for p in TEMPLATES.glob("*.gotmpl"))
        if self.template and re.fullmatch(TEMPLATE_NAME, self.template) and self.template not in known:
            raise ValueError(
                f"model '{self.name}': no chat template is named '{self.template}'. Use one of {', '.join(known)}, or"
                " write the Go template itself"
            )
        return self

    @model_validator(mode="after")
    def _gated_models_name_a_secret(self) -> Self:
        hubs = [s for s in self.sources if isinstance(s, HuggingFaceSource)]
        if self.gated and hubs and not any(s.token_secret for s in hubs):
            raise ValueError(
                f"model '{self.name}' is gated: the hub answers 401 without a token. Name the secret that holds one in"
                " sources[].token_secret"
            )
        return self


class Site(Value):
    """What this site's way to the outside needs. Only fetch jobs use it; `up` finds it out and records it.

    `ca_certificates` are PEM certificates added to the public ones, `index` replaces pip's default package index,
    `proxy` is the URL of an HTTP proxy.
    """

    ca_certificates: str = ""
    index: Endpoint | None = None
    proxy: Endpoint | None = None
