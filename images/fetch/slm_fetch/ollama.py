"""The Ollama library, or a registry with the same paths, as a source of one file."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from slm_fetch.plan import Plan, SourceFailed, Wanted
from slm_fetch.report import Report
from slm_fetch.store import Found, Store
from slm_fetch.web import Web

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
WEIGHTS = "application/vnd.ollama.image.model"
DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")
SMALL = 64 * 1024 * 1024
"""More bytes than any layer beside the weights has: template, parameters, licence, settings."""

Source = dict[str, Any]


def from_ollama(source: Source, plan: Plan, store: Store, report: Report) -> Found:
    """A model of the Ollama library: its manifest by digest, then every layer by the digest the manifest gives."""
    name = source["name"] if "/" in source["name"] else f"library/{source['name']}"
    base = f"{source['endpoint'].rstrip('/')}/v2/{name}"
    with Web(plan, report) as web:
        manifest = web.small(f"{base}/manifests/{source['tag']}", {"Accept": MANIFEST})
        weights, others = _judged(manifest, source, plan)
        wanted = Wanted(plan.file, weights["size"], weights["digest"].removeprefix("sha256:"))
        part = store.partial("http", wanted.sha256)
        web.download(f"{base}/blobs/{weights['digest']}", part, weights["size"])
        if plan.layout == "file":
            return Found(part, wanted)
        for layer in others:
            _small_layer(layer, base, web, store)
    store.write(plan.directory / "manifests" / "registry.ollama.ai" / name / source["tag"], manifest)
    return Found(part, wanted, library=f"{source['name']}:{source['tag']}")


def _judged(manifest: bytes, source: Source, plan: Plan) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The weights layer and the others of a manifest that is the pinned one. Raises SourceFailed."""
    actual, expected = hashlib.sha256(manifest).hexdigest(), plan.files[0].size
    if source.get("digest") not in (None, actual):
        raise SourceFailed(
            f"the manifest of {source['name']}:{source['tag']} now has the sha256 {actual}, and the pinned one is"
            f" {source['digest']}: the tag was moved. Run make pin and review the change"
        )
    weights, others = _layers(manifest)
    if plan.sha256 and weights["digest"] != f"sha256:{plan.sha256}":
        raise SourceFailed(f"it offers the weights {weights['digest']}, and the pinned sha256 is {plan.sha256}")
    if expected is not None and weights["size"] != expected:
        raise SourceFailed(f"its weights have {weights['size']} bytes, and {expected} are expected")
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
    if layer["size"] > SMALL:
        raise SourceFailed(f"the layer {layer['digest']} beside the weights has {layer['size']} bytes; not fetched")
    blob = store.plan.directory / "blobs" / layer["digest"].replace(":", "-")
    part = store.fetched / f"{layer['digest'][7:]}.layer"
    web.download(f"{base}/blobs/{layer['digest']}", part, layer["size"])
    if hashlib.sha256(part.read_bytes()).hexdigest() != layer["digest"][7:]:
        part.unlink()
        raise SourceFailed(f"the layer {layer['digest']} arrived damaged; deleted")
    part.replace(blob)
    blob.chmod(0o444)
