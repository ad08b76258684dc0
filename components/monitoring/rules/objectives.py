"""What a service promises, as numbers that its metrics can be held against."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from components.workload import Value

FIRST_TOKEN_EDGES = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds that are bucket edges of the time to the first token in vLLM and in our ONNX server alike."""

TOKEN_EDGES = (0.05, 0.075, 0.1, 0.15, 0.5, 1.0, 2.5)
"""Seconds that are bucket edges of the time between two tokens in both."""

FASTEST_BURN = 14.4
"""How many times faster than allowed a budget is used up when somebody is called at once."""

LEAST_SHARE = 0.94
"""Below it, `FASTEST_BURN` would be more than all requests, so that the alert could never fire."""


def _edge(edges: tuple[float, ...], value: float) -> float:
    if value not in edges:
        listed = ", ".join(f"{edge:g}" for edge in edges)
        raise ValueError(
            f"{value:g} seconds is no edge of the engines' histograms, so how many answers are within it is not known;"
            f" choose one of {listed}"
        )
    return value


FirstToken = Annotated[float, AfterValidator(lambda value: _edge(FIRST_TOKEN_EDGES, value))]
BetweenTokens = Annotated[float, AfterValidator(lambda value: _edge(TOKEN_EDGES, value))]
Share = Annotated[float, Field(ge=LEAST_SHARE, lt=1)]


class Objectives(Value):
    """The objectives of each engine, over thirty days.

    `availability` is the share of requests that are not answered by a server error. `first_token_share` is the share
    of answers whose first token comes within `first_token_seconds`; `token_seconds` is the longest time between two
    tokens that 95 of 100 may take. Times are in seconds, on edges of the engines' histograms.
    """

    availability: Share = 0.99
    first_token_seconds: FirstToken = 2.5
    first_token_share: Share = 0.95
    token_seconds: BetweenTokens = 0.5
