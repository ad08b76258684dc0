"""The job that fetches a model's weights: the only workload with a way out (pure, no Pulumi)."""

from __future__ import annotations

import json
from typing import Literal

from components.model_sources import AzureSource, HuggingFaceSource, PackageSource, PathSource
from components.models import Model, Site, Weights
from components.workload import FILES_DIRECTORY, File, Image, Resources, Scratch, SecretFile, Volume, Workload

RECORDS_DIRECTORY = "fetched"
"""Folder at the top of a weights volume: the record of what was fetched, partial files, and what `up` copied in."""


Layout = Literal["ollama", "file", "folder"]
TOKEN_FILES = {"huggingface": "hub-token", "azure": "azure-token"}
"""The file in which the job finds the token of a kind of source."""


def incoming(weights: Weights) -> str:
    """Where below the top of a volume `up` puts what it copies in: a folder, or the place of the only file."""
    return f"{RECORDS_DIRECTORY}/incoming" + (f"/{weights.file.path}" if weights.format == "gguf" else "")


def record(weights: Weights) -> str:
    """Path below the top of a volume of the record that says what was fetched and verified."""
    return f"{RECORDS_DIRECTORY}/{weights.file.path if weights.format == 'gguf' else 'folder'}.json"


def fetch_plan(model: Model, weights: Weights, layout: Layout, directory: str, site: Site) -> dict[str, object]:
    """What the fetch program is told, as plain data (the file formats of images/fetch/README.md)."""
    sources = []
    for source in weights.sources:
        entry = source.model_dump(mode="json", exclude_none=True)
        if isinstance(source, HuggingFaceSource | AzureSource) and source.token_secret:
            entry["token_file"] = f"{FILES_DIRECTORY}/{TOKEN_FILES[source.kind]}"
        if isinstance(source, PathSource):
            entry["path"] = f"{directory}/{incoming(weights)}"
            entry["origin"] = source.path
        if isinstance(source, PackageSource) and (index := source.index or site.index):
            entry["index"] = index
        sources.append(entry)
    plan: dict[str, object] = {
        "name": model.name,
        "files": [file.model_dump(mode="json") for file in weights.files],
        "format": weights.format,
        "size_bytes": weights.size_bytes,
        "directory": directory,
        "layout": layout,
        "sources": sources,
    }
    if weights.quantization:
        plan["quantization"] = weights.quantization
    if site.ca_certificates:
        plan["ca_bundle"] = f"{FILES_DIRECTORY}/site-ca.pem"
    return plan


def fetch_job(
    name: str,
    model: Model,
    weights: Weights,
    image: Image,
    volume: Volume,
    *,
    layout: Layout,
    site: Site | None = None,
) -> Workload:
    """The job that puts the weights into `volume` and verifies them: the only workload with a way out.

    `layout` "ollama" stores them as an Ollama store does (blobs and manifests by digest), "file" under their name,
    "folder" as the folder they are. Raises ValueError when two sources of one kind name different token secrets.
    """
    site = site or Site()
    writable = volume.model_copy(update={"read_only": False, "fill": ()})
    plan = fetch_plan(model, weights, layout, volume.path, site)
    files = [File(name="plan.json", content=json.dumps(plan, indent=1, sort_keys=True))]
    if site.ca_certificates:
        files.append(File(name="site-ca.pem", content=site.ca_certificates))
    return Workload(
        name=name,
        image=image,
        args=(f"{FILES_DIRECTORY}/plan.json",),
        env={"HTTPS_PROXY": site.proxy, "HTTP_PROXY": site.proxy} if site.proxy else {},
        files=tuple(files),
        secrets=_tokens(model, weights),
        volumes=(writable,),
        scratch=(Scratch(path="/tmp", size_mib=64),),  # noqa: S108
        resources=Resources(memory_mib=512, cpus=1, pids=64),
        egress=True,
        # Half a megabyte per second is the slowest line on which waiting makes sense.
        deadline=1800 + weights.size_bytes // 500_000,
    )


def _tokens(model: Model, weights: Weights) -> tuple[SecretFile, ...]:
    files = []
    for kind, file in TOKEN_FILES.items():
        named = sorted(
            {
                source.token_secret
                for source in weights.sources
                if isinstance(source, HuggingFaceSource | AzureSource) and source.kind == kind and source.token_secret
            }
        )
        if len(named) > 1:
            raise ValueError(
                f"model '{model.name}': its {kind} sources name several token secrets ({', '.join(named)}): use one"
            )
        files += [SecretFile(name=file, secret=secret) for secret in named]
    return tuple(files)
