"""What a bundle says of itself: for which machines it is, its version, and every file with its sha256."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from tools.load.archive import refused

FORMAT = 1
PROGRAM = "program"
FOLDERS = (PROGRAM, "wheels", "tools", "images", "weights")
FILES = ("sbom.cdx.json", "load.pyz", "load.pyz.sig")
"""What a bundle may hold at its top."""
KEPT = (".slm", ".bundle", ".venv", ".git")
"""What a program's tree has of a machine, so what no bundle may bring."""
VERSION = re.compile(r"\d{8}T\d{6}Z-[0-9a-z]{1,40}")
STACK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


@dataclass(frozen=True)
class Member:
    """A file: its place in the bundle, its bytes, its digest, and whether it is a program."""

    name: str
    size: int
    sha256: str
    executable: bool = False


@dataclass(frozen=True)
class Manifest:
    """`version` begins with the UTC time at which it was made, so versions of one stack sort by age.

    `platform` is as in tools.toml (`linux/amd64`), `pythons` are the Pythons that the wheels are for, `glibc` the
    oldest C library they run on, `hosts` which of a fleet's hosts it is for (all, when empty), `supply` what the other
    machine must be given by other means, in words.
    """

    stack: str
    hosts: str
    version: str
    commit: str
    platform: str
    pythons: tuple[str, ...]
    glibc: str
    supply: tuple[str, ...]
    members: tuple[Member, ...]

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of all files."""
        return frozenset(member.name for member in self.members)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(member.size for member in self.members)

    def size_of(self, folder: str) -> int:
        """Bytes of all files below one of FOLDERS."""
        return sum(member.size for member in self.members if member.name.startswith(f"{folder}/"))

    def text(self) -> bytes:
        """As it is signed and written."""
        return (json.dumps({"format": FORMAT, **asdict(self)}, indent=0, sort_keys=True) + "\n").encode()


def read(content: bytes) -> Manifest:
    """The manifest in a file whose signature holds. Raises ToolError: a good signature does not make a good path."""
    try:
        raw: dict[str, Any] = json.loads(content)
        if raw.pop("format") != FORMAT:
            raise refused("the bundle has a form this program does not know", "load it with the load.pyz it came with")
        lists = {key: tuple(raw[key]) for key in ("pythons", "supply")}
        found = Manifest(**{**raw, **lists, "members": tuple(Member(**member) for member in raw["members"])})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise refused(f"the bundle's manifest is none: {error}") from None
    if not (STACK.fullmatch(found.stack) and VERSION.fullmatch(found.version)):
        raise refused(f"the bundle's manifest names no stack and version: {found.stack!r}, {found.version!r}")
    for member in found.members:
        if problem := _problem(member):
            raise refused(f"the manifest lists {member.name!r:.200}, {problem}", "ask whoever made it")
    if len(found.names) < len(found.members):
        raise refused("the manifest lists a name twice", "ask whoever made it")
    folders = {str(parent) for name in found.names for parent in PurePosixPath(name).parents}
    if both := folders & found.names:
        raise refused(f"the manifest lists {min(both)} as a file and as a folder", "ask whoever made it")
    return found


def _problem(member: Member) -> str:
    name = member.name
    if not isinstance(name, str) or not isinstance(member.size, int) or member.size < 0:
        return "which is no file"
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts) or not name.isprintable() or "\\" in name:
        return "which leads out of its folder or is no plain name"
    if parts[0] not in FOLDERS if len(parts) > 1 else name not in FILES:
        return "which is no part of a bundle"
    if parts[0] == PROGRAM and parts[1] in KEPT:
        return "which belongs to a machine"
    return ""
