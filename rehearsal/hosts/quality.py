"""How good a link is (pure)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Quality:
    """Of each direction: `delay` in seconds, `loss` as the part of packets that never arrive (0 to 1), and
    `bits_per_second` (None: as fast as the machine is)."""

    delay: float = 0.0
    loss: float = 0.0
    bits_per_second: float | None = None

    def __post_init__(self) -> None:
        slow = self.bits_per_second is not None and self.bits_per_second <= 0
        if self.delay < 0 or not 0 <= self.loss < 1 or slow:
            raise ValueError(f"no link is like that: {self} (a link that carries nothing is `cut`)")
