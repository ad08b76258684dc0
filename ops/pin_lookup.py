"""Questions to the registries: an image tag's digest, a hub file's sha256, an Ollama tag's manifest."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
import tenacity

from components.models import HuggingFaceSource, Model, OllamaSource
from ops.errors import UserError

if TYPE_CHECKING:
    from docker import DockerClient

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
WEIGHTS = "application/vnd.ollama.image.model"
NOTHING = "nothing was written"


@dataclass
class Found:
    """What the sources of one model say about it. `manifests` are the Ollama tags' manifest digests."""

    sha256: str = ""
    size: int = 0
    manifests: dict[str, str] = field(default_factory=dict)


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


def model_facts(model: Model) -> Found:
    """Ask every source that can be asked; all must mean the same bytes. Raises UserError."""
    found = Found()
    for source in model.sources:
        if isinstance(source, HuggingFaceSource):
            _agree(model, found, *_hub_file(model, source), f"{source.repo} at {source.revision}")
        elif isinstance(source, OllamaSource):
            manifest, sha256, size = _ollama_manifest(model, source)
            found.manifests[f"{source.name}:{source.tag}"] = manifest
            _agree(model, found, sha256, size, f"the Ollama library's {source.name}:{source.tag}")
    if found.sha256:
        return found
    if model.sha256 is None:
        raise UserError(
            f"no source of model '{model.name}' can tell the sha256 of {model.file}",
            harm=NOTHING,
            fix="add a source on a hub, or write the sha256 into its row in components/catalog/models.toml",
        )
    return Found(model.sha256, model.size_bytes)


def _agree(model: Model, found: Found, sha256: str, size: int, where: str) -> None:
    fixed = any(isinstance(s, HuggingFaceSource | OllamaSource) and _immovable(s) for s in model.sources)
    expected = found.sha256 or (model.sha256 if fixed else None)
    if expected not in (None, sha256):
        raise UserError(
            f"{where} has other bytes (sha256 {sha256}) than the pin or an earlier source of model '{model.name}' says"
            f" ({expected})",
            harm=f"two sources would serve different weights under one name; {NOTHING}",
            fix="make them two models, or correct the row in components/catalog/models.toml",
        )
    found.sha256, found.size = sha256, size


def _immovable(source: HuggingFaceSource | OllamaSource) -> bool:
    """A commit always means the same file, while a tag of the Ollama library may be moved by its publisher."""
    return isinstance(source, HuggingFaceSource)


def _hub_file(model: Model, source: HuggingFaceSource) -> tuple[str, int]:
    url = f"{source.endpoint}/api/models/{source.repo}/revision/{source.revision}"
    data = _get(url, {"blobs": "true"}, {}, model).json()
    if data.get("sha") != source.revision:
        raise UserError(
            f"the hub answers commit {data.get('sha')} for {source.repo}, not {source.revision}",
            harm=NOTHING,
            fix="write the commit into the model's row",
        )
    for entry in data.get("siblings", []):
        if entry.get("rfilename") == source.file and (stored := entry.get("lfs")):
            return str(stored["sha256"]), int(stored["size"])
    raise UserError(
        f"{source.repo} has no large file {source.file} at {source.revision}",
        harm=NOTHING,
        fix="correct the file's name in the model's row",
    )


def _ollama_manifest(model: Model, source: OllamaSource) -> tuple[str, str, int]:
    name = source.name if "/" in source.name else f"library/{source.name}"
    answer = _get(f"{source.endpoint}/v2/{name}/manifests/{source.tag}", {}, {"Accept": MANIFEST}, model)
    layers = [layer for layer in answer.json().get("layers", []) if layer.get("mediaType") == WEIGHTS]
    if len(layers) != 1:
        raise UserError(
            f"the manifest of {source.name}:{source.tag} names {len(layers)} weights files, and one is expected",
            harm=NOTHING,
            fix="choose another tag",
        )
    digest = hashlib.sha256(answer.content).hexdigest()
    return digest, str(layers[0]["digest"]).removeprefix("sha256:"), int(layers[0]["size"])


def _get(url: str, query: dict[str, str], headers: dict[str, str], model: Model) -> httpx.Response:
    """An answer of status 200. Raises UserError."""

    @tenacity.retry(
        retry=tenacity.retry_if_exception_type(httpx.TransportError),
        stop=tenacity.stop_after_attempt(3),
        wait=tenacity.wait_random_exponential(multiplier=0.3, max=3),
        reraise=True,
    )
    def ask() -> httpx.Response:
        return httpx.get(url, params=query, headers=headers, timeout=20, follow_redirects=True)

    try:
        answer = ask()
    except httpx.HTTPError as error:
        raise _unknown(model, url, str(error) or type(error).__name__) from None
    if answer.status_code != 200:
        raise _unknown(model, url, f"it answered {answer.status_code}")
    return answer


def _unknown(model: Model, url: str, reason: str) -> UserError:
    return UserError(
        f"model '{model.name}' cannot be looked up at {url}: {reason}",
        harm=NOTHING,
        fix="run make pin where that address can be reached (or correct the model's row), and commit what it writes",
    )
