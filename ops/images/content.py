"""What an image built here is made of: its build folder, what that stands on, and a digest of all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from components.catalog import ImageRow
from ops.errors import UserError
from tools.table import Platform, load

CONTEXT = "context.txt"
"""Folders of the repository, one per line, that a build gets beside its own, each under its last name."""

PROGRAMS = "programs.txt"
"""Names of tools (tools/tools.toml), one a line, whose programs a build gets beside its own files."""


def build_folder(row: ImageRow) -> str:
    """The folder below images/ that builds it. Raises UserError for an image that only its registry offers."""
    if row.build is None:
        raise UserError(
            f"the image {row.repository}:{row.tag} cannot be built here, and its registry does not serve it",
            harm="nothing was deployed",
            fix="give the Docker engine a way to the registry (its proxy settings, or a mirror), or load the image by"
            " hand (docker load) and name its id under slm:images",
        )
    return row.build


def further_folders(row: ImageRow, images: Path) -> list[Path]:
    """What CONTEXT of the row's build folder names."""
    if row.build is None or not (listed := images / row.build / CONTEXT).exists():
        return []
    return [images.parent / line for line in listed.read_text().split()]


def programs(folder: Path) -> list[str]:
    """The tools that PROGRAMS of a build folder names; none without it."""
    return (folder / PROGRAMS).read_text().split() if (folder / PROGRAMS).exists() else []


def content(row: ImageRow, rows: Mapping[str, ImageRow], images: Path) -> str:
    """64 hex characters that change with anything the image is built from, packages of the day excepted.

    `rows` are the images by role, where its parent is found; `images` is the folder of all build folders. Notes and
    what programs keep for themselves (hidden folders, byte code) do not count.
    """
    digest = hashlib.sha256()
    folders = [images / build_folder(row), *further_folders(row, images)]
    if row.parent:
        digest.update(f"{row.parent}\0{content(rows[row.parent], rows, images)}\0".encode())
    else:
        folders.insert(0, images / "base")
    for name in programs(images / build_folder(row)):
        tool = load()[name]
        digest.update(f"{name}\0{tool.version}-{tool.recipe(Platform.here())}\0".encode())
    for folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            relative = path.relative_to(images if path.is_relative_to(images) else images.parent)
            if path.suffix != ".md" and not any(part == "__pycache__" or part[0] == "." for part in relative.parts):
                digest.update(f"{relative}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()
