"""The two sides of a change as folders: what the checkout has now, and what git has of it at the base."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ops.errors import UserError

CATALOGUE = "components/catalog"
PROGRAM = ("__main__.py", "components", "images", "servers", "uv.lock", "Pulumi.yaml", "tools/tools.toml")
"""What else decides which resources a description becomes."""

OBJECT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


@dataclass(frozen=True)
class Base:
    """Where a change began. `apart`: it is the tip of the base and not where the two parted, which nobody knows."""

    commit: str
    apart: bool = False


def base_of(project: Path, ref: str) -> Base:
    """The commit at which the checkout and `ref` parted. Raises UserError for what is no commit."""
    found = _git(project, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if found is None or not OBJECT.fullmatch(found.strip()):
        raise UserError(
            f"BASE: git knows no commit by the name '{ref[:80]}'",
            harm="without it nobody can say what changes",
            fix="git fetch it first (in CI: fetch-depth: 0), then BASE=origin/main",
        )
    commit = found.strip()
    parted = _git(project, "merge-base", commit, "HEAD")
    return Base(parted.strip()) if parted else Base(commit, apart=True)


def write_base(project: Path, base: Base, stack_file: str, folder: Path) -> Path:
    """Put the stack's file of the base into `folder`, and its catalogue where it differs; gives the catalogue."""
    if (content := _git(project, "show", f"{base.commit}:{stack_file}")) is not None:
        (folder / stack_file).write_text(content)
    if not _changed(project, base, CATALOGUE):
        return project / CATALOGUE
    catalogue = folder / "catalog"
    catalogue.mkdir()
    names = _git(project, "ls-tree", "--name-only", "-z", base.commit, f"{CATALOGUE}/") or ""
    for name in filter(None, names.split("\0")):
        if name.endswith(".toml"):
            (catalogue / Path(name).name).write_text(_git(project, "show", f"{base.commit}:{name}") or "")
    return catalogue


def write_head(project: Path, stack_file: str, folder: Path) -> None:
    """Put the stack's file of the checkout into `folder`, where nothing else of this machine is.

    Raises UserError for a link: what it leads to could be anything of this machine, and a report is read by many.
    """
    if (project / stack_file).is_symlink():
        raise UserError(f"{stack_file} is a link", harm="nothing was read", fix="put the description itself there")
    if (project / stack_file).is_file():
        shutil.copyfile(project / stack_file, folder / stack_file)


def program_changes(project: Path, base: Base) -> tuple[str, ...]:
    """Files of the program that differ from the base, the catalogue left out."""
    return tuple(name for name in _changed(project, base, *PROGRAM) if not _of_catalogue(name))


def _of_catalogue(name: str) -> bool:
    return name.startswith(f"{CATALOGUE}/") and name.endswith(".toml")


def _changed(project: Path, base: Base, *paths: str) -> tuple[str, ...]:
    known = _git(project, "diff", "--name-only", "-z", base.commit, "--", *paths) or ""
    new = _git(project, "ls-files", "--others", "--exclude-standard", "-z", "--", *paths) or ""
    return tuple(sorted({name for name in (known + new).split("\0") if name}))


def _git(project: Path, *arguments: str) -> str | None:
    """What git says; None when it says no."""
    try:
        done = subprocess.run(["git", "-C", str(project), *arguments], capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(
            f"git cannot be asked: {type(error).__name__}",
            harm="without it nobody can say what changes",
            fix="install git, and run this in a checkout",
        ) from None
    return done.stdout.decode("utf-8", errors="replace") if done.returncode == 0 else None
