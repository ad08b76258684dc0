"""A container that lets running answers end is waited for, as long as it was promised."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ops.stopping import stop

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("described", "waited"), [({"StopTimeout": 125}, 125), ({"StopTimeout": 0}, 0), ({}, 10)])
def test_it_is_waited_for_as_long_as_its_description_says(described: dict[str, int], waited: int) -> None:
    asked: list[Any] = []
    container: Any = SimpleNamespace(attrs={"Config": described}, stop=lambda timeout: asked.append(timeout))
    stop(container)
    assert asked == [waited]
