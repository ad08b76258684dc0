"""From validation errors to sentences: the path, the harm and the fix, each problem on a line of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from components.settings.schema_walk import Step, walk
from components.settings.secret_words import is_secret_field, looks_like_a_secret, shown
from components.settings.words import WHY_NOT, advice

MOST_SHOWN = 20
"""Problems in one message, so that it stays on one screen."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a description: where, what (with the harm), and the fix."""

    path: str
    what: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.what}" + (f" — {self.fix}" if self.fix else "")


class SettingsError(ValueError):
    """A description that cannot be used. The text lists every problem found and contains no secret value."""

    def __init__(self, file: str, problems: Iterable[Problem]) -> None:
        self.file = file
        self.problems = tuple(problems)
        lines = [f"  {problem}" for problem in self.problems[:MOST_SHOWN]]
        if more := len(self.problems) - MOST_SHOWN:
            lines += [f"  … and {more} more"] if more > 0 else []
        super().__init__("\n".join([f"{file} cannot be used:", *lines]))


class CrossReferenceError(ValueError):
    """Several problems found by one validator; paths are relative to the whole description."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in problems))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """'; did you mean …?' for a word close to a known one, else an empty text."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def unknown(what: str, word: str, known: Iterable[str]) -> tuple[str, str]:
    """Problem and fix for a name that stands for nothing."""
    names = sorted(known)
    listed = ", ".join(names) if names else "none"
    return f"unknown {what} {shown(word)}{did_you_mean(word, names)}", f"use one of: {listed}"


def from_validation(error: ValidationError, raw: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Problem]:
    """The problems of a failed validation of `raw`, in the order of the file, one for each path."""
    found: dict[str, Problem] = {}
    # A list whose only entry is wrong counts as too short as well; the entry's own problem says more.
    for detail in sorted(error.errors(), key=lambda detail: detail["type"] == "too_short"):
        for problem in _problems(detail, raw, schema):
            if detail["type"] != "too_short" or not any(path.startswith(problem.path) for path in found):
                found.setdefault(problem.path, problem)
    return list(found.values())


def path_of(keys: Sequence[str | int]) -> str:
    """`slm:engines.chat.model`, `slm:models.x.sources[0]`; names that could be a secret are not repeated."""
    text = ""
    for key in keys:
        safe = "(redacted)" if isinstance(key, str) and looks_like_a_secret(key) else key
        text += f"[{safe}]" if isinstance(key, int) else f".{safe}"
    return f"slm:{text.lstrip('.')}"


def _problems(detail: ErrorDetails, raw: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Problem]:
    step = walk(detail["loc"], raw, schema)
    cause = (detail.get("ctx") or {}).get("error")
    if isinstance(cause, CrossReferenceError):
        return list(cause.problems)
    path, field = path_of(step.keys), str(step.keys[-1]) if step.keys else ""
    if cause is not None:
        what, _, fix = str(cause).partition(" — ")
        return [Problem(path, what, fix)]
    if detail["type"] == "extra_forbidden":
        return [_unknown_field(path, field, step)]
    what, fix = advice(detail, step.section, field, step.node)
    if isinstance(detail["input"], str | int | float) and detail["type"] != "missing" and not is_secret_field(field):
        got = shown(detail["input"], field)
        what += "" if got in what else f" ({got})"
    return [Problem(path, what, fix)]


def _unknown_field(path: str, field: str, step: Step) -> Problem:
    name = "(redacted)" if looks_like_a_secret(field) else field
    if reason := WHY_NOT.get((step.section, field)) or WHY_NOT.get(("", field)):
        return Problem(path, *reason)
    known = sorted(step.siblings)
    return Problem(path, f"unknown field '{name}'{did_you_mean(field, known)}", f"known here: {', '.join(known)}")
