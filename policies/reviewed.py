"""Exceptions as data: which findings were decided to be so, why, and until when (control 71)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import yaml

from components.settings.permissions import SecurityException
from policies.finding import Finding

EXCEPTIONS = Path(__file__).with_name("exceptions.yaml")
"""Those of what this project itself deploys, for every stack; a stack's own are in its file (slm:security)."""


def exceptions(today: date | None = None, path: Path = EXCEPTIONS) -> list[SecurityException]:
    """The reviewed exceptions. Raises pydantic's ValidationError for one that has expired or says too little."""
    context = {"today": today} if today else {}
    return [SecurityException.model_validate(row, context=context) for row in yaml.safe_load(path.read_text())]


def excepted(found: Iterable[Finding], allowed: Iterable[SecurityException]) -> tuple[list[Finding], list[str]]:
    """The findings that no exception covers, and the exceptions that cover none, in words."""
    used = set()
    open_ = []
    by_place = {(one.control, one.resource): one for one in allowed}
    for one in found:
        place = (one.control, one.resource)
        if place in by_place:
            used.add(place)
        else:
            open_.append(one)
    return open_, [f"control {number} on {resource}" for number, resource in by_place if (number, resource) not in used]
