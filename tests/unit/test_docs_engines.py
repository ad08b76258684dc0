"""The comparison in docs/engines.md says what the engines' classes say."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from components.engines.base import Capability
from components.settings import load

pytestmark = pytest.mark.unit

PROJECT = Path(__file__).resolve().parents[2]
ENGINES = {engine.kind: engine for engine in load("engines", PROJECT, {}).hosted.values()}


def table() -> list[dict[str, str]]:
    """The rows of the table of what each interface honours, by heading."""
    text = (PROJECT / "docs/engines.md").read_text()
    section = text.split("## What each interface honours\n", 1)[1].split("\n## ", 1)[0]
    headings, _, *rows = (
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")
    )
    return [dict(zip(headings, row, strict=True)) for row in rows]


def test_every_capability_has_its_row() -> None:
    assert sorted(row["capability"].strip("`") for row in table()) == sorted(get_args(Capability))


@pytest.mark.parametrize("kind", ENGINES)
def test_the_table_agrees_with_the_class(kind: str) -> None:
    said = {row["capability"].strip("`") for row in table() if row[kind] == "yes"}
    assert said == ENGINES[kind].capabilities
