"""Python packages of the images built here, installed on this machine and copied into the build.

A build inside Docker knows neither this site's package index nor its certificate authority, and what is given to it
stays in the image's history. This machine knows both (pip's own settings), and its cache makes the next build quick.
"""

from __future__ import annotations

import fnmatch
import os
from pathlib import Path

from tools import bootstrap

LIST = "packages.txt"
"""Every package of the image with its version and the digests of its files; children leave out their parent's."""
PRUNED = "packages-pruned.txt"
"""Globs of what is removed again, a line each, below FOLDER: what no program of the image reads."""
FOLDER = "packages"
PYTHON = "3.11"
"""Python of the Debian suite that all these images are built on."""

MACHINE = "x86_64"
"""The processor the digests in LIST are for."""
PLATFORM = f"{MACHINE}-manylinux_2_36"


def install_command(context: Path, uv: Path) -> list[str]:
    """The command that puts the packages of the build folder `context` into FOLDER there."""
    return [
        *(str(uv), "pip", "install", "--target", str(context / FOLDER), "--requirements", str(context / LIST)),
        *("--python-version", PYTHON, "--python-platform", PLATFORM),
        # A source distribution would run its own code on this machine merely to be installed.
        *("--no-deps", "--only-binary", ":all:", "--require-hashes"),
        *("--system-certs", "--no-config", "--no-python-downloads", "--no-progress"),
    ]


def environment() -> dict[str, str]:
    """What uv needs to know of this site."""
    cache = bootstrap.cache_directory()
    return os.environ | bootstrap.site_index() | {"UV_CACHE_DIR": str(cache / "uv")}


def uv_program() -> Path:
    """The uv of tools.toml. Raises bootstrap.Stop when it cannot be had."""
    return bootstrap.ensure_uv(bootstrap.cache_directory())


def prune(context: Path) -> int:
    """Remove what PRUNED names and give the bytes saved. Raises ValueError for a line that names nothing.

    Such a line was written for another version of a package: what it should remove has moved and would be kept.
    """
    if not (listed := context / PRUNED).exists():
        return 0
    patterns = [line.strip() for line in listed.read_text().splitlines() if line.strip() and line[0] != "#"]
    used: set[str] = set()
    saved = 0
    for path in sorted((context / FOLDER).rglob("*"), reverse=True):
        relative = str(path.relative_to(context / FOLDER))
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif found := [pattern for pattern in patterns if fnmatch.fnmatch(relative, pattern)]:
            used.update(found)
            saved += path.lstat().st_size
            path.unlink()
    if unused := [pattern for pattern in patterns if pattern not in used]:
        raise ValueError(f"{PRUNED} names what no package has: {', '.join(unused)}")
    return saved
