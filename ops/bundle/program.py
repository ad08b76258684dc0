"""The program as a bundle has it: what is committed, as it lies here, and of the stacks' files its own alone."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from components.settings.stack_file import file_name
from ops.bundle.description import without_secrets
from ops.bundle.item import Item
from ops.errors import UserError
from ops.machine import PROJECT
from tools.load.manifest import KEPT, PROGRAM

_STACK_FILE = re.compile(r"Pulumi\..+\.ya?ml")
_PRIVATE = re.compile(rb"^-----BEGIN [A-Z ]*PRIVATE KEY-----\s*$.{40}", re.MULTILINE | re.DOTALL)
"""A key itself: programs and tests that only speak of keys have the line in the middle of their own."""


def gather(stack: str, project: Path = PROJECT) -> tuple[list[Item], tuple[str, ...]]:
    """The files, and the names of secrets that were taken out of the stack's. Raises UserError."""
    items, own = [], file_name(stack)
    for path in sorted(set(_files(project)) | {own}):
        if not _STACK_FILE.fullmatch(path):
            items.append(_checked(path, project / path))
    text, secrets = without_secrets(project / own)
    items.append(Item(f"{PROGRAM}/{own}", text.encode()))
    return sorted(items, key=lambda item: item.name), secrets


def commit(project: Path = PROJECT) -> tuple[str, int]:
    """The commit the program is of, and how many of its files differ from it; no commit where nobody knows."""
    head = _git(project, "rev-parse", "HEAD")
    if head is None:
        return "", 0
    return head.strip(), len((_git(project, "status", "--porcelain", "--untracked-files=no") or "").splitlines())


def _files(project: Path) -> Iterator[str]:
    listed = _git(project, "ls-files", "-z")
    if listed:
        # A tracked file that was removed here is no part of the program any more.
        yield from (path for path in listed.split("\0") if path and (project / path).is_file())
        return
    for path in project.rglob("*"):
        relative = path.relative_to(project)
        hidden = any(part[0] == "." or part == "__pycache__" for part in relative.parts)
        if path.is_file() and not (hidden and relative.parts[0] not in (".gitignore", ".ci")):
            yield relative.as_posix()


def _git(project: Path, *words: str) -> str | None:
    """What git says; None where the project is no repository of its own."""
    if not (project / ".git").exists():
        return None
    done = subprocess.run(["git", *words], cwd=project, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else None


def _checked(name: str, path: Path) -> Item:
    content = path.read_bytes()
    if _PRIVATE.search(content) or Path(name).parts[0] in KEPT:
        raise UserError(
            f"{name} is committed and holds a private key",
            harm="whoever gets the bundle would have it, so none was made",
            fix="remove it from the project and its history, and make a new key",
        )
    return Item(f"{PROGRAM}/{name}", content, executable=bool(path.stat().st_mode & 0o100))
