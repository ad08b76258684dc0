"""The job that gives fetched weights the names Ollama serves them by (pure)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from components.engines.scripts import script
from components.workload import FILES_DIRECTORY, File, Image, Resources, Scratch, Volume, Workload

ENVIRONMENT = {"OLLAMA_HOST", "OLLAMA_MODELS", "OLLAMA_NOPRUNE", "OLLAMA_NO_CLOUD", "GIN_MODE", "HOME"}
"""What of the server's environment the job needs as well."""


def import_job(
    name: str,
    models: Sequence[str],
    wanted: Sequence[Mapping[str, object]],
    image: Image,
    store: Volume,
    environment: Mapping[str, str],
) -> Workload:
    """The job that makes `models` in the store as `wanted` says, one request each, without a way out.

    The first is made from what was fetched, the others from the first.
    """
    contents = [json.dumps(one) for one in wanted]
    files = [File(name="create.json", content=contents[0])]
    files += [File(name=f"variant-{number}.json", content=c) for number, c in enumerate(contents[1:], 1)]
    return Workload(
        name=f"{name[:33]}-import",
        image=image,
        command=("bash", f"{FILES_DIRECTORY}/import.sh", *models),
        env={key: value for key, value in environment.items() if key in ENVIRONMENT},
        files=(script("http", "ollama"), script("import", "ollama"), *files),
        volumes=(store.model_copy(update={"read_only": False}),),
        scratch=(Scratch(path="/tmp", size_mib=64),),  # noqa: S108
        resources=Resources(memory_mib=1024, cpus=1),
        deadline=3600,
    )


def digest(text: str) -> str:
    """64 hex characters that name the text."""
    return hashlib.sha256(text.encode()).hexdigest()
