"""Which ports a review stack publishes: the same ones every time, and never another stack's (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ops.errors import UserError
from ops.review.rules import Rules

PUBLISHED = (("gateway",), ("webui",), ("monitoring", "grafana"))
"""Where a description says which port is published, in the order the ports of a block are given out."""


def choose(pull_request: int, taken: Callable[[int], bool], rules: Rules, now: int | None = None) -> list[int]:
    """The block of ports for a pull request: its own, or the next one of which no port is taken by anybody else.

    `now` is a port that its stack publishes already: that block stays its own. Raises UserError when every block is
    taken.
    """
    first = pull_request % rules.port_blocks
    if now is not None and 0 <= (now - rules.first_port) // rules.ports_each < rules.port_blocks:
        first = (now - rules.first_port) // rules.ports_each
    for step in range(rules.port_blocks):
        start = rules.first_port + rules.ports_each * ((first + step) % rules.port_blocks)
        block = list(range(start, start + rules.ports_each))
        if not any(taken(port) for port in block):
            return block
    raise UserError(
        f"all {rules.port_blocks} blocks of ports for review stacks are taken on this host",
        harm="the review stack could not be reached",
        fix="make sweep shows stacks that can go; or more port_blocks in review.yaml",
    )


def published(config: Mapping[str, Any], ports: list[int]) -> dict[str, Any]:
    """What to lay over a description's `config` so that each of its published ports is of the block."""
    overlay: dict[str, Any] = {}
    for (section, *below), port in zip(PUBLISHED, ports, strict=False):
        own = config.get(f"slm:{section}")
        if not isinstance(own, Mapping):
            continue
        if below:
            # Grafana is there unless the description says that it is not.
            if own.get(below[0], {}) is None:
                continue
            overlay[f"slm:{section}"] = {below[0]: {"port": port}}
        else:
            overlay[f"slm:{section}"] = {"port": port}
    return overlay
