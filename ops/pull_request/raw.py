"""Pulumi's own steps, one after the other, for whoever wants to see them: no value that could be secret (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from components.settings.secret_words import is_secret_field, looks_like_a_secret
from ops.previewed import State, Step
from ops.pull_request.markdown import Section
from ops.pull_request.previews import Asked
from policies.plain import plain

SIGNS = {"create": "+", "delete": "-", "update": "~", "replace": "!", "read": "?", "import": "="}
HIDDEN = frozenset(
    {"content", "contentbase64", "data", "binarydata", "stringdata", "uploads", "env", "envs", "command", "commands",
     "args", "entrypoints", "kubeconfig", "secrets", "value", "tests", "annotations", "labels"}
)  # fmt: skip
"""Parts of paths below which texts are not shown: files, arguments and variables may hold anything, prompts too."""

WORD = re.compile(r"[A-Za-z0-9._:/@+=-]{1,120}")
STEP = re.compile(r"""\[(?:"((?:[^"\\]|\\.)*)"|(\d+))\]|([^.\[\]]+)""")
MOST_FIELDS = 40
ONCE = frozenset({"create-replacement", "delete-replaced"})
"""Further steps of a replaced resource, which say nothing new."""


def section(asked: list[Asked]) -> Section:
    """The steps of all previews, folded; those of each host under its name."""
    lines: list[str] = []
    count = 0
    for one in asked:
        steps = [step for step in one.preview.changes if step.op not in ONCE] if one.preview else []
        count += len(steps)
        if one.host and steps:
            lines.append(f"# host {one.host}")
        for step in sorted(steps, key=lambda step: step.urn):
            lines += _of_step(step)
    lines = [_printable(line) for line in lines]
    fence = "`" * max(3, 1 + max((len(run) for line in lines for run in re.findall("`+", line)), default=0))
    counted = f"{count} resource{'s' if count != 1 else ''}"
    opened = ("<details>", f"<summary>Raw diff: {counted}</summary>", "", f"{fence}diff")
    return Section(tuple(lines), head=opened, foot=(fence, "", "</details>"))


def _of_step(step: Step) -> Iterator[str]:
    yield f"{SIGNS.get(step.op, '*')} {step.op} {step.type} {step.name}"
    if step.op not in ("update", "replace"):
        return
    fields = step.fields or step.replace_reasons or _differ(step.old_state, step.new_state)
    for path in fields[:MOST_FIELDS]:
        forced = any(re.match(rf"{re.escape(reason)}(?![A-Za-z0-9_-])", path) for reason in step.replace_reasons)
        forces = " (forces replacement)" if forced else ""
        yield f"    {path}: {_shown(path, step.old_state)} -> {_shown(path, step.new_state)}{forces}"
    if len(fields) > MOST_FIELDS:
        yield f"    … and {len(fields) - MOST_FIELDS} more fields"


def _differ(old: State | None, new: State | None) -> tuple[str, ...]:
    """Inputs that differ, where the provider does not tell."""
    before, after = (plain(state.inputs) if state else {} for state in (old, new))
    return tuple(sorted(key for key in {*before, *after} if before.get(key) != after.get(key)))


def _shown(path: str, state: State | None) -> str:
    keys = [quoted or index or name for quoted, index, name in STEP.findall(path)]
    value: Any = plain(state.inputs) if state else None
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        elif value in ("[secret]", "[unknown]"):
            break
        else:
            return "none"
    return _safe(keys, value)


def _safe(keys: list[str], value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if value in ("[secret]", "[unknown]", "[file]"):
        return str(value)
    if any(is_secret_field(_snake(key)) for key in keys):
        return "[secret]"
    if any(key.lower() in HIDDEN for key in keys) or isinstance(value, Mapping | list):
        return "(not shown)"
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if looks_like_a_secret(str(value)):
        return "[secret]"
    return str(value) if WORD.fullmatch(str(value)) else "(not shown)"


def _snake(key: str) -> str:
    """`adminPassword` as `admin_password`: how the words for secrets are known."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", key).lower()


def _printable(line: str) -> str:
    shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in line)
    return shown if len(shown) <= 400 else f"{shown[:399]}…"


def unknown_fields(asked: list[Asked]) -> int:
    """How many inputs only the deployment will know."""
    return sum(
        _unknown(plain(step.new_state.inputs))
        for one in asked
        if one.preview
        for step in one.preview.changes
        if step.new_state
    )


def _unknown(value: Any) -> int:
    if isinstance(value, Mapping):
        return sum(_unknown(below) for below in value.values())
    if isinstance(value, list):
        return sum(_unknown(below) for below in value)
    return int(value == "[unknown]")
