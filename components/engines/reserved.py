"""Environment variables that an engine's settings may not carry: one check for all engines."""

from __future__ import annotations

import re
from collections.abc import Mapping

CODE = ("LD_", "PYTHON", "GLIBC_", "MALLOC_")
"""Beginnings of names that decide which code runs, or how memory is handed out, in any program."""


def refuse(environment: Mapping[str, str], own_field: Mapping[str, str], reserved: Mapping[str, str]) -> None:
    """Raise ValueError for a variable that has a field of its own, or that would undo what this project promises.

    `own_field` gives the setting that stands for a variable, `reserved` the reason why one is not free; a key of
    `reserved` that ends in `*` is the beginning of names.
    """
    for key in environment:
        if field := own_field.get(key):
            raise ValueError(f"env.{key} is reserved: set '{field}' instead")
        for name, reason in reserved.items():
            if key == name or (name.endswith("*") and key.startswith(name[:-1])):
                raise ValueError(f"env.{key} is reserved: {reason}")
        if key.startswith(CODE) or not re.fullmatch(r"[A-Z_][A-Z0-9_]*", key):
            raise ValueError(f"env.{key} is reserved: it decides which code runs")
