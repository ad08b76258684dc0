"""The words everything else is written in: what is to be generated, and what came out."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int64]
Finish = Literal["stop", "length"]
Feature = Literal["chat", "completions", "streaming", "stop", "tools", "json_schema", "seed"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a token is chosen. `temperature` 0 takes the likeliest one; `top_k` 0 means no limit."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """One answer to generate. `schema`: a JSON Schema the text has to follow, as JSON."""

    prompt: Tokens
    max_tokens: int
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What one model step meant for one sequence: a token (none for the end-of-text token), or an end, or both."""

    key: Hashable
    token: int | None
    finish: Finish | None = None
    error: str | None = None


class Refused(Exception):
    """This one work cannot be done, the message says why; the batcher itself goes on."""


class Batcher(Protocol):
    """Generates for up to `places` sequences at once. Used by one thread only."""

    provider: str
    batching: str
    places: int
    context_length: int
    features: frozenset[Feature]
    kv_capacity_tokens: int

    def has_room(self) -> bool:
        """Whether one more sequence can be taken in now."""
        ...

    def admit(self, key: Hashable, work: Work) -> int:
        """Take a sequence in and give how many of its prompt tokens need no computing. Raises Refused."""
        ...

    def step(self) -> list[Step]:
        """Run the model once for those who are in."""
        ...

    def release(self, key: Hashable) -> None:
        """Stop working on a sequence, finished or not, and free its place."""
        ...

    def kv_used_tokens(self) -> int:
        """Tokens of the running sequences in the key-value cache."""
        ...

    def batch_size(self) -> int:
        """Sequences that got a token in the last step."""
        ...
