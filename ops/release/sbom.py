"""The bill of materials of a release: what its files pin, before anything was fetched."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.component import Component, ComponentType
from packageurl import PackageURL

from components.catalog import catalog
from components.models import Model
from ops.bundle.sbom import document
from ops.release.parts import locked
from tools.table import load


def bill(project: Path, version: str, made: datetime) -> str:
    """The document in CycloneDX: packages of uv.lock, tools, published images, models with their weights."""
    found = [_package(name, row) for name, row in sorted(locked(project).items()) if name != "slm-stacks"]
    found += [
        Component(
            name=name,
            version=tool.version,
            type=ComponentType.APPLICATION,
            purl=PackageURL("generic", None, name, tool.version),
            bom_ref=f"tool/{name}",
        )
        for name, tool in sorted(load().items())
    ]
    for role, row in sorted(catalog().images.items()):
        if row.repository:
            found.append(
                Component(
                    name=row.repository,
                    version=row.tag,
                    type=ComponentType.CONTAINER,
                    hashes=[HashType(alg=HashAlgorithm.SHA_256, content=row.digest)] if row.digest else [],
                    bom_ref=f"image/{role}",
                )
            )
    found += [_model(model) for _, model in sorted(catalog().models.items())]
    return document("release", version, made, found)


def _package(name: str, row: dict[str, Any]) -> Component:
    sums = [str(file["hash"]).removeprefix("sha256:") for file in (row.get("wheels") or []) if file.get("hash")]
    source = row.get("sdist") or {}
    sums += [str(source["hash"]).removeprefix("sha256:")] if source.get("hash") else []
    return Component(
        name=name,
        version=str(row["version"]),
        type=ComponentType.LIBRARY,
        purl=PackageURL("pypi", None, name, str(row["version"])),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one) for one in sorted(set(sums))],
        bom_ref=f"package/{name}",
    )


def _model(model: Model) -> Component:
    files = {f"{form}/{file.path}": file.sha256 for form, weights in model.weights.items() for file in weights.files}
    return Component(
        name=model.name,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        licenses=[LicenseFactory().make_from_string(model.license)],
        components=[
            Component(
                name=path,
                type=ComponentType.FILE,
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)] if sha256 else [],
                bom_ref=f"model/{model.name}/{path}",
            )
            for path, sha256 in sorted(files.items())
        ],
        bom_ref=f"model/{model.name}",
    )
