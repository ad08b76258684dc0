"""The file a stack is described in: `Pulumi.<stack>.yaml`, and for a host of a fleet the fleet's."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from components.settings.problems import Problem, SettingsError, unknown
from components.yaml_file import YamlError, read

DESCRIPTION = "SLM_DESCRIPTION"
"""The variable that names another description of a fleet to read: the kept one that a host is rolled back to."""


def file_name(stack: str) -> str:
    """What a stack's file is called, whether it is there or not."""
    return f"Pulumi.{stack.partition('.')[0]}.yaml"


def file_of(stack: str, project_dir: Path) -> str:
    """The name of a stack's file. Raises SettingsError for a stack that has none, naming those that have one."""
    name, dot, host = stack.partition(".")
    file = file_name(stack)
    known = sorted(path.name.split(".")[1] for path in project_dir.glob("Pulumi.?*.yaml"))
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", name) or name not in known or (dot and not host):
        raise SettingsError(file, [Problem("stack", *unknown("stack", stack, known))])
    return file


def host_of(stack: str) -> str:
    """The host of a fleet whose stack this is; empty for a stack that is none of a fleet's hosts."""
    return stack.partition(".")[2]


def description_of(stack: str, project_dir: Path) -> Path:
    """The file a stack is read from: the committed one, or in its place the one DESCRIPTION names.

    Raises SettingsError as `file_of` does.
    """
    file = file_of(stack, project_dir)
    kept = os.environ.get(DESCRIPTION) if host_of(stack) else None
    return Path(kept) if kept else project_dir / file


def read_document(path: Path) -> dict[str, Any]:
    """The whole of a stack file as plain data. Raises SettingsError."""
    try:
        return read(path)
    except YamlError as error:
        where, _, rest = str(error).partition(": ")
        what, _, fix = rest.partition(" — ")
        raise SettingsError(path.name, [Problem(where, what, fix)]) from None
