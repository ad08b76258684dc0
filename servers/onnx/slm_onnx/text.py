"""From tokens to text, piece by piece: whole characters only, and never past a stop sequence."""

from __future__ import annotations

from typing import Protocol


class Detokenizer(Protocol):
    """The library's stream: it holds back the bytes of a character until all of them are there."""

    def decode(self, token: int) -> str:
        """The text that this token completes."""
        ...


class StopFilter:
    """Lets text through up to the first stop sequence; holds back what might become one."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._held = ""

    def push(self, text: str) -> tuple[str, bool]:
        """The text that may go out, and whether a stop sequence was met (it and what follows are dropped)."""
        if not self._stops:
            return text, False
        self._held += text
        found = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            out, self._held = self._held[: min(found)], ""
            return out, True
        keep = max(overlap(self._held, stop) for stop in self._stops)
        out, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return out, False

    def rest(self) -> str:
        """What was held back, at the end."""
        out, self._held = self._held, ""
        return out


def overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that begins `stop`."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)
