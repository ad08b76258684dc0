"""Tests that share what they bring up run in one process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import lanes

pytestmark = pytest.mark.unit

TESTS = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("fixture", sorted(lanes.WITH_WEIGHTS))
def test_whoever_serves_real_weights_is_in_one_group(fixture: str) -> None:
    assert lanes.group(TESTS / "docker/test_any.py", frozenset({fixture, "tmp_path"})) == lanes.MODELS
    assert f"def {fixture}(" in (TESTS / "docker/conftest.py").read_text(), "it is a fixture that there is"


@pytest.mark.parametrize("name", sorted(lanes.COMPUTE))
def test_files_that_compute_are_in_it_too(name: str) -> None:
    [path] = TESTS.glob(f"*/{name}.py")
    assert lanes.group(path, frozenset()) == lanes.MODELS


@pytest.mark.parametrize("layer", sorted(lanes.SHARED))
def test_a_layer_with_one_cluster_is_one_group_and_other_files_are_one_each(layer: str) -> None:
    groups = {lanes.group(path, frozenset()) for path in (TESTS / layer).glob("test_*.py")}
    assert groups == {layer}
    assert lanes.group(TESTS / "docker/test_day_one.py", frozenset()) == "test_day_one"
