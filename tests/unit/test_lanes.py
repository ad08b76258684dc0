"""Tests that share what they bring up run in one process."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import lanes

pytestmark = pytest.mark.unit

TESTS = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("fixture", sorted(lanes.WITH_WEIGHTS))
def test_whoever_uses_real_weights_is_in_one_group(fixture: str) -> None:
    assert f"def {fixture}(" in (TESTS / "docker/conftest.py").read_text(), "it is a fixture that there is"
    used = re.compile(rf"^def \w+\((?:.*, )?{fixture}[:,)]", flags=re.MULTILINE)
    files = [path for path in TESTS.glob("docker/test_*.py") if used.search(path.read_text())]
    assert files
    assert {lanes.group(f"tests/docker/{path.name}::test_it") for path in files} == {lanes.MODELS}


def test_every_file_of_that_group_exists() -> None:
    assert {path.stem for path in TESTS.glob("docker/test_*.py")} >= lanes.COMPUTE


@pytest.mark.parametrize("layer", sorted(lanes.SHARED))
def test_a_layer_with_one_cluster_is_one_group_and_other_files_are_one_each(layer: str) -> None:
    files = [path.name for path in (TESTS / layer).glob("test_*.py")]
    assert {lanes.group(f"tests/{layer}/{name}::test_it[a/b.py::c]") for name in files} == {layer}
    assert lanes.group("tests/docker/test_day_one.py::test_it") == "test_day_one"


def test_the_longest_groups_begin_first() -> None:
    tests = ["docker/test_canary", "rehearsal/test_life", "edge/test_bundle", "docker/test_stack"]
    assert sorted((f"tests/{test}.py::test_it" for test in tests), key=lanes.turn) == [
        "tests/docker/test_stack.py::test_it",
        "tests/edge/test_bundle.py::test_it",
        "tests/rehearsal/test_life.py::test_it",
        "tests/docker/test_canary.py::test_it",
    ]
    assert set(lanes.LONGEST) > lanes.SHARED
