"""Facts about models and images: data in TOML files beside this one, read once into frozen classes.

`models.toml` and `images.toml` are written by people, `pins.toml` by `make pin`: the same tables with only the fields
that were looked up. A pin is laid over the row of the same name: fields replace, tables merge, and a list (a model's
`sources`) replaces the whole list. Nothing here is guessed: what is not known is absent, and `make pin` finds it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from components.catalog.place import DIRECTORY, directory
from components.models import Model, ModelName, Sha256
from components.workload import AbsolutePath, Image, Name, Value

PINS = DIRECTORY / "pins.toml"

Version = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+){0,3}$")]


class ImageRow(Value):
    """What is known of the image that plays a role in a stack (the key of `Catalog.images`).

    `repository`, `tag`, `digest`: where it is published; all absent for an image that only this project builds.
    `source`: the public place the digest was read from. `build`: the folder below images/ that builds it from
    packages, then in `build_version`, on the site build of the role `parent` where there is one; absent for an
    image that only a registry offers (GPU builds). `minimum_version`: older ones are refused because of
    `minimum_reason`. `user`: numeric id it runs as. `writable`: directories it must be able to write.
    """

    purpose: str
    repository: str | None = Field(None, pattern=r"^[a-z0-9][a-z0-9._/-]*$")
    tag: str | None = Field(None, pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")
    digest: Sha256 | None = None
    source: str | None = None
    minimum_version: Version | None = None
    minimum_reason: str | None = None
    build: Name | None = None
    build_version: Version | None = None
    parent: Name | None = None
    user: int = Field(ge=1000)
    writable: tuple[AbsolutePath, ...] = ()

    @property
    def pinned(self) -> Image | None:
        """`repository:tag@sha256:…`, or None when there is no published image or its digest is not known."""
        return f"{self.repository}:{self.tag}@sha256:{self.digest}" if self.repository and self.digest else None

    @property
    def published(self) -> bool:
        """Whether a registry offers it; otherwise every site builds it."""
        return self.repository is not None

    def too_old(self, version: str | None) -> str | None:
        """Why `version` must not run ("ollama 0.16.0 < 0.17.1 (CVE…)" without the name), or None.

        A text that is not a version number cannot be compared and gives None.
        """
        if self.minimum_version is None or (numbers := _numbers(version)) is None:
            return None
        if numbers >= (_numbers(self.minimum_version) or ()):
            return None
        return f"{version} < {self.minimum_version} ({self.minimum_reason})"

    @model_validator(mode="after")
    def _facts_belong_together(self) -> Self:
        if self.digest and not self.source:
            raise ValueError("a digest without its source cannot be checked by anyone: add source")
        if (self.repository is None) != (self.tag is None) or (self.digest and not self.repository):
            raise ValueError("repository, tag and digest name one published image: give repository and tag together")
        if (self.build is None) != (self.build_version is None) or (self.parent and not self.build):
            raise ValueError("build, build_version and parent describe one site build: give build and build_version")
        if not self.build and not self.repository:
            raise ValueError("neither a registry nor a build folder would offer this image: give one")
        if (self.minimum_version is None) != (self.minimum_reason is None):
            raise ValueError("minimum_version and minimum_reason belong together")
        if old := self.too_old(self.tag) or self.too_old(self.build_version):
            raise ValueError(f"the catalogue's own version is refused: {old}")
        return self


class Catalog(Value):
    """Every model and image this version knows, pins included."""

    models: dict[ModelName, Model]
    images: dict[Name, ImageRow]

    @model_validator(mode="after")
    def _parents_exist(self) -> Self:
        for role, row in self.images.items():
            if row.parent and (row.parent not in self.images or self.images[row.parent].parent):
                raise ValueError(
                    f"image '{role}': its parent '{row.parent}' is no role that is built on the base image"
                )
        return self


def _numbers(version: str | None) -> tuple[int, ...] | None:
    parts = (version or "").removeprefix("v").split("-")[0].split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else None


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `over` laid on it: mappings merge at every level, anything else in `over` replaces."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def rows(folder: Path = DIRECTORY) -> dict[str, dict[str, Any]]:
    """The tables `models` and `images` as plain data, pins laid over them, before validation."""
    written = {name: _table(folder / f"{name}.toml") for name in ("models", "images")}
    pins = _table(folder / PINS.name) if (folder / PINS.name).exists() else {}
    for kind, pinned in pins.items():
        if unknown := set(pinned) - set(written.get(kind, {})):
            raise ValueError(f"pins.toml: {kind}.{min(unknown)} pins what is not in the catalogue: run make pin again")
    merged = merge(written, pins)
    for name, model in merged["models"].items():
        model.setdefault("name", name)
    return merged


def read(folder: Path = DIRECTORY) -> Catalog:
    """Read a catalogue. Raises ValueError (pydantic's ValidationError included) naming the row that is wrong."""
    return Catalog.model_validate(rows(folder))


def catalog() -> Catalog:
    """The catalogue of this version, or of the one that place.catalogue_in names; each read once."""
    return _read_once(directory())


_read_once = cache(read)


def _table(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))
