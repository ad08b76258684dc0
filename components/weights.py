"""Weights: one form of a model's weights, its files, its pin, and where it comes from (pure, no Pulumi)."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from components.model_sources import (
    UNPINNED,
    AzureSource,
    HubFile,
    HuggingFaceSource,
    OllamaSource,
    PackageSource,
    PathSource,
    Sha256,
    Source,
    inside,
)
from components.workload import Value

Format = Literal["gguf", "safetensors", "onnx"]
CONVERTER = "2"
"""Version of the conversion recipe: raised when the same input would become other weights."""


class WeightsFile(Value):
    """One file, by its path below the weights' folder; size in bytes and sha256 as far as known."""

    path: Annotated[HubFile, AfterValidator(inside)]
    size_bytes: int | None = Field(None, gt=0)
    sha256: Sha256 | None = None


class Weights(Value):
    """A model's weights in one format, at one precision.

    `precision` is the usual name of how values are stored (q4_k_m, bf16, int4). `device`: ONNX folders are made for
    one execution provider; without it, any. `quantization` is the method a safetensors checkpoint declares for
    itself. `size_bytes` is the size of all files together. `files` may be empty for a folder whose list is not looked
    up yet. `converted_from` names the form of the same model that the conversion job makes these from.
    """

    format: Format
    precision: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")
    device: Literal["cpu", "cuda"] | None = None
    quantization: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]+$")] | None = None
    size_bytes: int = Field(gt=0)
    files: tuple[WeightsFile, ...] = ()
    sources: tuple[Source, ...] = ()
    converted_from: str | None = None

    @property
    def file(self) -> WeightsFile:
        """The only file of a form that has one. Raises ValueError for a folder."""
        if len(self.files) != 1:
            raise ValueError(f"{self.format} weights of {len(self.files)} files are a folder, not a file")
        return self.files[0]

    def unpinned(self) -> list[str]:
        """Why tomorrow's bytes could be others than today's; empty when pinned. A conversion's pin is its origin's."""
        if self.converted_from:
            return []
        reasons = [
            f"the sha256 of {file.path} is not known (fix: make pin)" for file in self.files if file.sha256 is None
        ]
        if not self.files:
            reasons.append(f"the files of its {self.format} folder are not listed (fix: make pin)")
        for source in self.sources:
            if isinstance(source, OllamaSource) and source.digest is None:
                reasons.append(
                    f"tag {source.name}:{source.tag} of the Ollama library can move and its manifest digest is not"
                    " known (fix: make pin)"
                )
            if isinstance(source, HuggingFaceSource) and source.revision == UNPINNED:
                reasons.append(f"the commit of {source.repo} is not known (fix: make pin)")
        return reasons

    def pin(self, origin: str | None = None) -> str:
        """64 hex characters that name this content: a single file's sha256, or a digest of all that decides it.

        `origin` is the pin of what it is converted from.
        """
        if not self.converted_from and len(self.files) == 1 and self.files[0].sha256:
            return self.files[0].sha256
        described: dict[str, object] = {"format": self.format, "precision": self.precision, "device": self.device}
        if self.converted_from:
            described |= {"origin": origin, "converter": CONVERTER}
        elif self.files and all(file.sha256 for file in self.files):
            described["files"] = sorted((file.path, file.sha256) for file in self.files)
        else:
            described["sources"] = [source.model_dump(mode="json") for source in self.sources]
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()

    @model_validator(mode="after")
    def _files_suit_the_format(self) -> Self:
        if self.format == "gguf" and (len(self.files) != 1 or not self.files[0].path.endswith(".gguf")):
            raise ValueError("GGUF weights are one file whose name ends in .gguf: list it under files")
        if self.format == "gguf" and "/" in self.files[0].path:
            raise ValueError(
                f"files path {self.files[0].path}: a GGUF file lies at the top of its volume. Give its plain name here,"
                " and its place in the repository in the source's 'file'"
            )
        if self.converted_from and self.sources:
            raise ValueError("sources and converted_from are two answers to one question: remove one")
        if self.format == "gguf" and self.converted_from:
            raise ValueError("no job converts to GGUF: give sources")
        if self.format == "onnx" and self.device is None:
            raise ValueError("an ONNX folder is made for one execution provider: set device to cpu or cuda")
        for source in self.sources:
            if isinstance(source, PathSource) and self.format == "gguf" and not source.path.endswith(".gguf"):
                raise ValueError(f"source path {source.path}: GGUF weights come from a file whose name ends in .gguf")
            if isinstance(source, HuggingFaceSource | AzureSource) and self.format == "gguf" and not source.file:
                raise ValueError(f"source {source.kind}: name the GGUF file in 'file'")
            if self.format != "gguf" and isinstance(source, OllamaSource | PackageSource):
                raise ValueError(
                    f"source {source.kind}: it serves one file, and {self.format} weights are a folder. Use"
                    " huggingface, azure or path"
                )
            if self.format != "gguf" and isinstance(source, HuggingFaceSource | AzureSource) and source.file:
                raise ValueError(
                    f"source {source.kind}: {self.format} weights are a folder. Name it in 'folder' (\"\" is the whole"
                    " repository) and its files under files"
                )
        return self
