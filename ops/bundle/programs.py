"""The tools a deployment takes: Pulumi, its language host and plugins, uv, and for a fleet the registry."""

from __future__ import annotations

from pathlib import Path

from ops.bundle.item import Item, files
from tools import bootstrap
from tools.installer import Installer

FOLDER = "tools"
FLEET = "edge"
"""The group of tools.toml that brings images to a fleet's hosts."""


def gather(installer: Installer, *, fleet: bool) -> dict[str, list[Item]]:
    """The files of each tool, by its name and version. What is missing here is installed first. Raises ToolError."""
    names = [*installer.default, *(installer.group(FLEET) if fleet else ())]
    # The registry gives the images' layers for any bundle, and only a fleet takes it with it.
    installer.ensure([*installer.default, *installer.group(FLEET)])
    found = {f"{name} {installer.table[name].version}": _of(name, installer.folder(name)) for name in names}
    version = bootstrap.uv_row()["version"]
    bootstrap.ensure_uv(installer.cache)
    found[f"uv {version}"] = _of("uv", bootstrap.uv_folder(installer.cache, version))
    return found


def _of(name: str, folder: Path) -> list[Item]:
    return files(folder, f"{FOLDER}/{name}/{folder.name}")
