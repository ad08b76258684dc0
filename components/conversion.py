"""The job that turns weights of one form into another: GGUF to a Hugging Face folder, that to an ONNX folder (pure)."""

from __future__ import annotations

import json
import math

from components.models import Model, Weights
from components.workload import FILES_DIRECTORY, File, Image, Resources, Scratch, Volume, Workload

MIB = 1024 * 1024
FIXED_MIB = 2560
"""What does not grow with the parameters: libraries, the tokenizer, and the embedding matrix in 32 bits, several times.
A vocabulary of 262,144 tokens, the largest in the catalogue, took nearly all of it."""
DEQUANTISING = 5.5
"""Bytes per parameter while a GGUF file is unpacked: the tensors, the model, and the widest tensor in full."""
BUILDING = {"int4": 6.5, "int8": 9.0, "fp32": 9.0, "fp16": 4.0, "bf16": 4.0}
"""The same while the ONNX folder is built. The narrow integer forms are made from 32-bit values."""


def conversion_mib(model: Model, key: str) -> int:
    """Memory in MiB that making the form `key` needs, from measurements (docs/evidence.md)."""
    weights = model.weights[key]
    origin = model.weights[weights.converted_from or key]
    steps = [DEQUANTISING] if origin.format == "gguf" else []
    if weights.format == "onnx":
        steps.append(BUILDING[weights.precision])
    elif weights.precision == "fp32":
        steps.append(2 * DEQUANTISING)
    return FIXED_MIB + math.ceil(model.parameters * max(steps) / MIB)


def conversion_plan(model: Model, key: str, source: str, directory: str) -> dict[str, object]:
    """What the program of images/convert is told, as plain data (its README has the words).

    `source` and `directory` are where the two volumes are mounted. Raises ValueError for a form that is not converted.
    """
    weights = model.weights[key]
    if weights.converted_from is None:
        raise ValueError(f"model '{model.name}': weights '{key}' are not converted from any others")
    origin = model.weights[weights.converted_from]
    return {
        "name": model.name,
        "parameters": model.parameters,
        "input": {
            "format": origin.format,
            "directory": source,
            "pin": model.pin(weights.converted_from),
            "files": [file.model_dump(mode="json", exclude_none=True) for file in origin.files],
            "sources": _provenance(model.origin_of(key)),
        },
        "output": {
            "format": weights.format,
            "precision": weights.precision,
            "device": weights.device,
            "directory": directory,
            "pin": model.pin(key),
            "size_bytes": weights.size_bytes,
        },
    }


def _provenance(origin: Weights) -> list[dict[str, object]]:
    """Where the first form of the weights came from, for the record: nothing that opens a door."""
    private = {"token_secret", "endpoint"}
    return [source.model_dump(mode="json", exclude_none=True, exclude=private) for source in origin.sources]


def conversion_job(name: str, model: Model, key: str, image: Image, source_volume: Volume, volume: Volume) -> Workload:
    """The job that makes the form `key` of a model's weights from the one it is converted from; it has no way out.

    `source_volume` is mounted read-only with the jobs that fill it first, `volume` gets the result. Raises ValueError
    for a form that is not converted.
    """
    plan = conversion_plan(model, key, source_volume.path, volume.path)
    return Workload(
        name=name,
        image=image,
        args=(f"{FILES_DIRECTORY}/plan.json",),
        files=(File(name="plan.json", content=json.dumps(plan, indent=1, sort_keys=True)),),
        volumes=(
            volume.model_copy(update={"read_only": False, "fill": ()}),
            source_volume.model_copy(update={"read_only": True}),
        ),
        scratch=(Scratch(path="/tmp", size_mib=64),),  # noqa: S108
        resources=Resources(memory_mib=math.ceil(conversion_mib(model, key) / 128) * 128, cpus=2, pids=256),
        # Measured on two busy cores: a quarter of a second per million parameters.
        deadline=1800 + model.parameters // 1_000_000 * 2,
    )
