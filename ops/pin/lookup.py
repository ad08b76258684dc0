"""Questions to the registries: an image tag's digest, and what the sources of a model's weights say of their files."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.model_sources import UNPINNED
from components.models import HuggingFaceSource, Model, OllamaSource, Source, Weights, WeightsFile
from ops.errors import UserError
from ops.pin.http import NOTHING, get
from ops.pin.hub import Repository, folder, one_file, repository

if TYPE_CHECKING:
    from docker import DockerClient

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
WEIGHTS = "application/vnd.ollama.image.model"


@dataclass(frozen=True)
class Found:
    """What the sources of one form of a model's weights say: its files, and the sources with what pins them."""

    files: tuple[WeightsFile, ...]
    sources: tuple[Source, ...]

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size_bytes or 0 for file in self.files)


def image_digest(client: DockerClient, reference: str) -> str:
    """The 64 hex characters of the digest a tag has in its registry now. Raises UserError."""
    import docker.errors

    try:
        digest = str(client.images.get_registry_data(reference).id)
    except docker.errors.APIError as error:
        reason = str(error.explanation or error).strip().rsplit(": ", 1)[-1]
        raise UserError(
            f"the digest of {reference} cannot be looked up: {reason}",
            harm=NOTHING,
            fix="run make pin where the Docker engine reaches the registry (or correct the tag); commit the result",
        ) from None
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise UserError(
            f"the registry gave '{digest[:80]}' as the digest of {reference}", harm=NOTHING, fix="use another"
        )
    return digest.removeprefix("sha256:")


def weights_facts(model: Model, key: str, known: Weights | None = None) -> Found | None:
    """Ask every source of a form of weights that can be asked; all must mean the same bytes.

    `known` are these weights with the pins of an earlier look-up: a commit that is written down must still mean the
    same. None when no source can be asked (a path, packages, Azure) and its pins are not written down. Raises
    UserError.
    """
    weights, name = model.weights[key], f"model '{model.name}'"
    # Pins of another commit say nothing about this one.
    earlier = known if known and _commits(known) & _commits(weights) else weights
    expected = _sums(earlier.files) if _commits(weights) else {}
    found: tuple[WeightsFile, ...] | None = None
    sources: list[Source] = []
    for source in weights.sources:
        pinned: Source
        if isinstance(source, HuggingFaceSource):
            there = repository(source, name)
            files = _from_hub(there, weights, name)
            where, pinned = there.place, source.model_copy(update={"revision": there.commit})
        elif isinstance(source, OllamaSource):
            digest, files = _from_library(source, weights, name)
            where = f"the Ollama library's {source.name}:{source.tag}"
            pinned = source.model_copy(update={"digest": digest})
        else:
            sources.append(source)
            continue
        sources.append(pinned)
        _agree(f"{name}, weights '{key}'", where, _sums(files), expected | (_sums(found) if found else {}))
        found = found or files
    if found is None:
        complete = weights.files and all(file.sha256 and file.size_bytes for file in weights.files)
        return Found(weights.files, weights.sources) if complete else None
    return Found(found, tuple(sources))


def _from_hub(there: Repository, weights: Weights, name: str) -> tuple[WeightsFile, ...]:
    if weights.format == "gguf":
        return (one_file(there, weights.file.path, name),)
    return folder(there, weights.format, [file.path for file in weights.files], name)


def _commits(weights: Weights) -> set[tuple[str, str]]:
    """The repositories and commits that are written down: a commit always means the same, while a tag may move."""
    hubs = [source for source in weights.sources if isinstance(source, HuggingFaceSource)]
    return {(source.repo, source.revision) for source in hubs if source.revision != UNPINNED}


def _sums(files: tuple[WeightsFile, ...]) -> dict[str, str]:
    return {file.path: file.sha256 for file in files if file.sha256}


def _agree(name: str, where: str, sums: dict[str, str], expected: dict[str, str]) -> None:
    for path, sha256 in expected.items():
        if sums.get(path, sha256) != sha256:
            raise UserError(
                f"{where} has other bytes of {path} (sha256 {sums[path]}) than the pin or an earlier source of {name}"
                f" says ({sha256})",
                harm=f"two sources would serve different weights under one name; {NOTHING}",
                fix="make them two models, or correct the row in components/catalog/models.toml",
            )


def _from_library(source: OllamaSource, weights: Weights, name: str) -> tuple[str, tuple[WeightsFile, ...]]:
    library = source.name if "/" in source.name else f"library/{source.name}"
    url = f"{source.endpoint}/v2/{library}/manifests/{source.tag}"
    answer = get(url, name, headers={"Accept": MANIFEST})
    layers = [layer for layer in answer.json().get("layers", []) if layer.get("mediaType") == WEIGHTS]
    if len(layers) != 1:
        raise UserError(
            f"the manifest of {source.name}:{source.tag} names {len(layers)} weights files, and one is expected",
            harm=NOTHING,
            fix="choose another tag",
        )
    sha256 = str(layers[0]["digest"]).removeprefix("sha256:")
    file = WeightsFile(path=weights.file.path, size_bytes=int(layers[0]["size"]), sha256=sha256)
    return hashlib.sha256(answer.content).hexdigest(), (file,)
