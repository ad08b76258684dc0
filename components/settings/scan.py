"""What must not stand in a description whatever field it is in: secrets, and characters nobody can see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from components.settings.problems import Problem, path_of
from components.settings.secret_words import is_secret_field, looks_like_a_secret

USE_KEY = "use agent or key path (key_file): remove it, and change the password where it was used"
USE_REFERENCE = "use a secret reference: remove it, make a new one where it was issued, pulumi config set --secret"


def scan(config: Mapping[str, Any]) -> list[Problem]:
    """Every secret in plain text and every control character in the values of a `config` mapping."""
    return list(_scan(config, ()))


def _scan(value: Any, keys: tuple[str | int, ...]) -> Iterator[Problem]:
    if isinstance(value, Mapping):
        if set(value) == {"secure"}:  # encrypted by Pulumi
            return
        for key, below in value.items():
            name = key.removeprefix("slm:") if not keys else key
            if looks_like_a_secret(key):
                yield Problem(
                    path_of(keys), "a field name looks like a secret, and this file is committed", USE_REFERENCE
                )
            yield from _scan(below, (*keys, name))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _scan(below, (*keys, index))
    elif isinstance(value, str):
        field = str(keys[-1]) if keys else ""
        if looks_like_a_secret(value) or (value and is_secret_field(field)):
            login = field == "password" and keys[0] in ("targets", "fleet")
            fix = USE_KEY if login else USE_REFERENCE
            yield Problem(path_of(keys), "looks like a secret, and this file is committed", fix)
        elif any((ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160 for c in value):
            yield Problem(path_of(keys), "has a control character, which hides what is meant", "type the value again")
