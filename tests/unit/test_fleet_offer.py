"""What a host lacks of an image that is offered to it; the registry's settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.fleet.registry import configuration
from ops.fleet.registry_steps import Offer, Step

pytestmark = pytest.mark.unit

OFFER = Offer(
    name="slm/image",
    id="sha256:whole",
    tags=("slm.local/image:1",),
    steps=tuple(Step(manifest=f"m{n}", layer=f"l{n}", size=10**n) for n in range(4)),
)


def sizes(*images: tuple[str, ...]) -> list[int]:
    return [step.size for step in OFFER.lacking(images)]


def test_a_host_with_nothing_gets_all_layers() -> None:
    assert sizes() == [1, 10, 100, 1000]
    assert OFFER.size == 1111


def test_the_image_with_most_of_the_lowest_layers_counts() -> None:
    assert sizes(("l0",), ("l0", "l1", "l2"), ("x",)) == [1000]


def test_a_layer_on_top_of_another_one_is_another_layer() -> None:
    assert sizes(("l1", "l2", "l3"), ("l0", "x", "l2")) == [10, 100, 1000]


def test_an_image_that_goes_on_after_all_layers_lacks_none() -> None:
    assert sizes(("l0", "l1", "l2", "l3", "more")) == []


@pytest.mark.parametrize("read_only", [True, False])
def test_the_registry_is_on_loopback_and_hosts_may_only_read(read_only: bool) -> None:
    settings = configuration(Path("layers"), 5000, read_only)
    assert settings["http"] == {"addr": "127.0.0.1:5000"}
    assert settings["storage"]["maintenance"]["readonly"] == {"enabled": read_only}
