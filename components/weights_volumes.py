"""The volumes that weights lie in, with the jobs that fill them: fetched, or converted from another form (pure).

A volume's name holds the pin of its content, so engines that serve the same form share one, and a new pin is a new
volume. Ollama keeps its weights in a store of its own form (`components/engines/ollama.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from components.conversion import conversion_job
from components.fetching import Layout, fetch_job
from components.models import Format, Model, Site
from components.workload import Image, Volume

PATHS: Mapping[Format, str] = {"gguf": "/models/gguf", "safetensors": "/models/huggingface", "onnx": "/models/onnx"}
"""Where the weights of each format are mounted, read-only in services."""

_PREFIXES: Mapping[Format, str] = {"gguf": "gguf", "safetensors": "hf", "onnx": "onnx"}
HEADROOM = 1.2
"""Space on the volume over the size of the weights: partial files, and what a conversion holds for a moment."""


def weights_roles(model: Model, key: str) -> tuple[str, ...]:
    """Roles of the images that the jobs of this form's volumes need."""
    origin = model.weights[key].converted_from
    return ("convert", *weights_roles(model, origin)) if origin else ("fetch",)


def weights_bytes(model: Model, key: str) -> int:
    """Bytes on disk of this form and of everything it is converted from."""
    weights = model.weights[key]
    return weights.size_bytes + (weights_bytes(model, weights.converted_from) if weights.converted_from else 0)


def weights_volume(name: str, model: Model, key: str, images: Mapping[str, Image], site: Site | None = None) -> Volume:
    """The volume of one form of a model's weights, for the engine `name`, with the jobs that fill it.

    A converted form's job mounts the volume of its origin read-only; the target fills that one first. Raises
    KeyError for a form the model has not.
    """
    weights = model.weights[key]
    prefix = _PREFIXES[weights.format]
    volume = Volume(
        name=f"{prefix}-{model.pin(key)[:12]}",
        path=PATHS[weights.format],
        size_gib=weights.size_bytes * HEADROOM / 2**30,
        keep=True,
    )
    if weights.converted_from:
        origin = weights_volume(name, model, weights.converted_from, images, site)
        job = conversion_job(f"{name[:31]}-to-{prefix}", model, key, images["convert"], origin, volume)
    else:
        layout: Layout = "file" if weights.format == "gguf" else "folder"
        job = fetch_job(f"{name[:34]}-fetch", model, weights, images["fetch"], volume, layout=layout, site=site)
    return volume.model_copy(update={"fill": (job,)})
