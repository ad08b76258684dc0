"""The parts that this project pins, out of its own files: packages, tools, images. Nothing is asked."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from components.catalog import Catalog
from components.workload import Value
from tools.table import BUILD_FOLDERS, GoBuild, Tool, WheelBuild

Kind = Literal["package", "tool", "image"]
OWN = "it is made here, of several modules or by a script"
_REQUIRED = re.compile(r"^(?:require\s+|\t)(\S+) (v\S+)(?: // indirect)?$", re.MULTILINE)


class Part(Value):
    """A part, the version that is pinned, and where to ask for a newer one: an index, Go's proxy or a registry.

    `origin` is its name there; empty where nobody can be asked, with `why`.
    """

    kind: Kind
    name: str
    version: str
    place: Literal["index", "go", "registry", ""]
    origin: str
    why: str = ""


def version(project: Path) -> str:
    """The version of this project: it is written in pyproject.toml and nowhere else."""
    return str(tomllib.loads((project / "pyproject.toml").read_text())["project"]["version"])


def locked(project: Path) -> dict[str, dict[str, object]]:
    """The packages of uv.lock by name."""
    packages = tomllib.loads((project / "uv.lock").read_text())["package"]
    return {str(one["name"]): one for one in packages}


def locked_from(project: Path) -> str:
    """The package index that uv.lock names, where most of its packages come from."""
    sources = [one.get("source") for one in locked(project).values()]
    named = [str(one["registry"]) for one in sources if isinstance(one, dict) and "registry" in one]
    return Counter(named).most_common(1)[0][0]


def packages(project: Path) -> Iterator[Part]:
    """What pyproject.toml itself names, in the version that is locked."""
    document = tomllib.loads((project / "pyproject.toml").read_text())
    lines = [*document["project"]["dependencies"]]
    lines += [line for group in document["dependency-groups"].values() for line in group if isinstance(line, str)]
    known = locked(project)
    for name in sorted({canonicalize_name(Requirement(line).name) for line in lines}):
        yield Part(kind="package", name=name, version=str(known[name]["version"]), place="index", origin=name)


def tools(table: dict[str, Tool]) -> Iterator[Part]:
    """The rows of tools.toml, each by where its build comes from."""
    for name, tool in sorted(table.items()):
        if isinstance(tool.build, WheelBuild):
            yield Part(kind="tool", name=name, version=tool.version, place="index", origin=tool.build.package)
        elif isinstance(tool.build, GoBuild) and (module := _module(tool.build)):
            # The module's own version: some tools count otherwise (Prometheus 3.15 is the module v0.315).
            yield Part(kind="tool", name=name, version=module[1], place="go", origin=module[0])
        else:
            yield Part(kind="tool", name=name, version=tool.version, place="", origin="", why=OWN)


def _module(build: GoBuild) -> tuple[str, str] | None:
    """The module that has the program, and its version in go.mod; None for a program of our own."""
    required = dict(_REQUIRED.findall((BUILD_FOLDERS / build.folder / "go.mod").read_text()))
    within = [one for one in required if build.package == one or build.package.startswith(f"{one}/")]
    longest = max(within, key=len, default=None)
    return (longest, required[longest]) if longest else None


def images(catalog: Catalog) -> Iterator[Part]:
    """The images of the catalogue that a registry offers."""
    for role, row in sorted(catalog.images.items()):
        if row.repository and row.tag:
            yield Part(kind="image", name=role, version=row.tag, place="registry", origin=row.repository)
