"""The sources: Hugging Face hub, Ollama library, a file that was copied in. Each gives a complete, unverified file."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from slm_fetch.packages import from_packages
from slm_fetch.plan import Plan, SourceFailed
from slm_fetch.report import Report
from slm_fetch.store import Store
from slm_fetch.web import Web

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
WEIGHTS = "application/vnd.ollama.image.model"
DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")

Source = dict[str, Any]
Found = tuple[Path, str | None]
"""The complete file, and the library name an importer may start from."""


def from_hub(source: Source, plan: Plan, store: Store, report: Report) -> Found:
    """One file of a hub repository at one commit."""
    token = secret = None
    if file := source.get("token_file"):
        secret = source.get("token_secret", file)
        try:
            token = Path(file).read_text().strip()
        except OSError:
            token = None
        if not token:
            raise SourceFailed(f"the secret '{secret}' (its file {file}) is missing or empty; set it and run up again")
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            raise SourceFailed(f"the secret '{secret}' holds a line break or a space inside; store the bare token")
    url = f"{source['endpoint'].rstrip('/')}/{source['repo']}/resolve/{source['revision']}/{source['file']}"
    part = store.partial("http")
    with Web(plan, report, token=token, secret=secret) as web:
        web.download(url, part, plan.size)
    return part, None


def from_ollama(source: Source, plan: Plan, store: Store, report: Report) -> Found:
    """A model of the Ollama library: its manifest by digest, then every layer by the digest the manifest gives."""
    name = source["name"] if "/" in source["name"] else f"library/{source['name']}"
    base = f"{source['endpoint'].rstrip('/')}/v2/{name}"
    with Web(plan, report) as web:
        manifest = web.small(f"{base}/manifests/{source['tag']}", {"Accept": MANIFEST})
        weights, others = _judged(manifest, source, plan)
        part = store.partial("http")
        web.download(f"{base}/blobs/{weights['digest']}", part, plan.size)
        if plan.layout == "file":
            return part, None
        for layer in others:
            _small_layer(layer, base, web, store)
    store.write(plan.directory / "manifests" / "registry.ollama.ai" / name / source["tag"], manifest)
    return part, f"{source['name']}:{source['tag']}"


def _judged(manifest: bytes, source: Source, plan: Plan) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The weights layer and the others of a manifest that is the pinned one. Raises SourceFailed."""
    actual = hashlib.sha256(manifest).hexdigest()
    if source.get("digest") not in (None, actual):
        raise SourceFailed(
            f"the manifest of {source['name']}:{source['tag']} now has the sha256 {actual}, and the pinned one is"
            f" {source['digest']}: the tag was moved. Run make pin and review the change"
        )
    weights, others = _layers(manifest)
    if plan.sha256 and weights["digest"] != f"sha256:{plan.sha256}":
        raise SourceFailed(f"it offers the weights {weights['digest']}, and the pinned sha256 is {plan.sha256}")
    if weights["size"] != plan.size:
        raise SourceFailed(f"its weights have {weights['size']} bytes, and {plan.size} are expected")
    return weights, others


def _layers(manifest: bytes) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The layer with the weights, and the others. Raises SourceFailed for anything that is not such a manifest."""
    try:
        data = json.loads(manifest)
        layers = [*data["layers"], data["config"]]
        sound = all(DIGEST.match(layer["digest"]) and isinstance(layer["size"], int) for layer in layers)
        weights = [layer for layer in data["layers"] if layer["mediaType"] == WEIGHTS]
    except (ValueError, KeyError, TypeError):
        raise SourceFailed("its manifest cannot be read; is the endpoint an Ollama registry?") from None
    if not sound or len(weights) != 1:
        raise SourceFailed("its manifest does not name exactly one weights layer with a sha256")
    return weights[0], [layer for layer in layers if layer["digest"] != weights[0]["digest"]]


def _small_layer(layer: dict[str, Any], base: str, web: Web, store: Store) -> None:
    blob = store.plan.directory / "blobs" / layer["digest"].replace(":", "-")
    part = store.fetched / f"{layer['digest'][7:]}.layer"
    web.download(f"{base}/blobs/{layer['digest']}", part, layer["size"])
    if store.digest(part) != layer["digest"][7:]:
        part.unlink()
        raise SourceFailed(f"the layer {layer['digest']} arrived damaged; deleted")
    part.replace(blob)
    blob.chmod(0o444)


def from_path(source: Source, plan: Plan, store: Store, report: Report) -> Found:
    """A file that `up` copied into the volume."""
    file = Path(source["path"])
    if not file.is_file():
        raise SourceFailed(f"{source['origin']} was not copied in; run up on the machine that has this file")
    report.event("copied", source="path", origin=source["origin"])
    return file, None


KINDS: dict[str, Callable[[Source, Plan, Store, Report], Found]] = {
    "huggingface": from_hub,
    "ollama": from_ollama,
    "package": from_packages,
    "path": from_path,
}
