"""A problem with an input: where it is and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True)
class Failure:
    """`path` is the property as the engine writes paths: `agentPoolProfiles[0].vmSize`."""

    path: str
    reason: str


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """`; did you mean 'x'?` where a word is near, else nothing."""
    by_lower_case = {w.lower(): w for w in words}
    near = get_close_matches(word.lower(), by_lower_case, n=1, cutoff=0.6)
    return f"; did you mean '{by_lower_case[near[0]]}'?" if near else ""
