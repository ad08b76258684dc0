"""Markdown that says what it is given and nothing else: foreign words cannot become markup, links or mentions (pure).

A comment is a list of sections. What is too long loses lines from its last section first, and says how many.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

LONGEST_CODE = 120
LONGEST_TEXT = 1200
"""Characters of one foreign word, and of one foreign sentence: no name needs more, and a comment has its limit."""

_BREAK = "&#8203;"
"""A space without width: it keeps GitHub from making links and mentions of what only looks like one."""

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;"}
_ACTIVE = re.compile(r"@|#|://|\bwww\.|\bGH-|[\\`*_\[\]{}~$^&<>|]", re.IGNORECASE)
_BLOCK = re.compile(r"^([-+=:]|\d+[.)])")


def code(word: object) -> str:
    """A foreign word as a code span of one line."""
    shown = _cut(_visible(str(word)), LONGEST_CODE).replace("|", "¦") or " "
    fence = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    room = " " if shown[0] == "`" or shown[-1] == "`" else ""
    return f"{fence}{room}{shown}{room}{fence}"


def text(sentence: object) -> str:
    """A foreign sentence as plain words of one line."""
    shown = _cut(_visible(str(sentence)), LONGEST_TEXT)
    shown = _BLOCK.sub(lambda found: f"\0{found[1]}", shown)
    return _ACTIVE.sub(lambda found: _passive(found[0]), shown).replace("\0", _BREAK)


def _passive(part: str) -> str:
    if part in _ENTITIES:
        return _ENTITIES[part]
    if part in "@#" or len(part) > 1:
        return f"{part[:-1]}{_BREAK}{part[-1]}{_BREAK}"
    return f"\\{part}"


def say(sentence: str, *words: object) -> str:
    """Our own sentence with foreign words in the places of its `{}`."""
    return sentence.format(*(code(word) for word in words))


def listed(words: Iterable[object], most: int = 12) -> str:
    """Foreign words, separated by commas; of many only the first."""
    every = list(words)
    shown = ", ".join(code(word) for word in every[:most])
    return f"{shown} and {len(every) - most} more" if len(every) > most else shown


def row(*cells: str) -> str:
    """A row of a table, made of what `code`, `text` and our own words gave."""
    return f"| {' | '.join(cells)} |"


def table(*headings: str) -> tuple[str, ...]:
    """The beginning of a table."""
    return (row(*headings), row(*("---" for _ in headings)))


@dataclass(frozen=True)
class Section:
    """A part of a comment. `lines` may be cut; `head` and `foot` are always there, so what they open is closed."""

    lines: tuple[str, ...]
    head: tuple[str, ...] = ()
    foot: tuple[str, ...] = ()
    cut: int = 0

    @property
    def written(self) -> str:
        """Its text; empty when it never had a line."""
        if not self.lines and not self.cut:
            return ""
        left = (f"… and {self.cut} more lines in the full text.",) if self.cut else ()
        inside = bool(self.foot) or bool(self.head and self.head[-1].startswith("| ---"))
        # A table or a fence would take the note for a row of its own.
        body = (*self.head, *self.lines, *self.foot, *([""] if left and inside else []), *left)
        return "\n".join(body) + "\n"


def comment(sections: Sequence[Section], limit: int | None = None) -> str:
    """The text of all sections, of at most `limit` bytes of UTF-8, which is never less than its characters."""
    parts = [section for section in sections if section.lines]
    written = _joined(parts)
    for number in reversed(range(len(parts))):
        if limit is None or _size(written) <= limit:
            break
        parts[number] = _shortened(parts, number, limit)
        written = _joined(parts)
    return written


def _shortened(parts: list[Section], number: int, limit: int) -> Section:
    """One section with as many of its first lines as leave room for the others."""
    whole = parts[number]
    low, high = 0, len(whole.lines)
    while low < high:
        middle = (low + high + 1) // 2
        tried = _first(whole, middle)
        if _size(_joined([*parts[:number], tried, *parts[number + 1 :]])) <= limit:
            low = middle
        else:
            high = middle - 1
    return _first(whole, low)


def _first(section: Section, count: int) -> Section:
    return replace(section, lines=section.lines[:count], cut=section.cut + len(section.lines) - count)


def _joined(parts: Iterable[Section]) -> str:
    return "\n".join(text for text in (part.written for part in parts) if text)


def _size(written: str) -> int:
    return len(written.encode())


def _visible(word: str) -> str:
    """What nobody would see, or what would turn the line round, as its code."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in " ".join(word.split("\n")))


def _cut(word: str, most: int) -> str:
    return word if len(word) <= most else f"{word[: most - 1]}…"
