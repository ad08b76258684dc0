"""A stack's file without what is secret in it: encrypted values stay with whoever has the passphrase."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from components.yaml_file import read
from ops.errors import UserError

OF_PULUMI = ("encryptionsalt", "encryptedkey")
"""What a passphrase or a key could be guessed from; the other machine makes its own."""


def without_secrets(path: Path) -> tuple[str, tuple[str, ...]]:
    """The file's text without encrypted values, comments and order as they are, and the values' names.

    Raises UserError for one that cannot be taken out of its line.
    """
    text, document = path.read_text(), read(path)
    lines, names = text.splitlines(keepends=True), list[str]()
    for name, begin, end in _secret_ranges(yaml.compose(text, yaml.SafeLoader)):
        names += [name] if name not in OF_PULUMI else []
        lines[begin:end] = [""] * (end - begin)
    left = "".join(lines)
    if yaml.load(left, yaml.BaseLoader) != yaml.load(yaml.safe_dump(_without(document)), yaml.BaseLoader):  # noqa: S506
        raise UserError(
            f"{path.name} has encrypted values that share a line with others: {', '.join(names)}",
            harm="they could not be left out of the bundle, so none was made",
            fix="write each on lines of its own: the key, and below it 'secure: …'",
        )
    return left, tuple(names)


def _secret_ranges(node: yaml.Node | None, above: str = "") -> Iterator[tuple[str, int, int]]:
    """Name, first line and line after the last of each secret entry."""
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        name = f"{above}.{key.value}" if above else str(key.value)
        if name in OF_PULUMI or _is_secure(value):
            # A block's end is the beginning of what follows, after comments that are not its own.
            last = value.value[-1][1].end_mark if isinstance(value, yaml.MappingNode) else value.end_mark
            yield name.removeprefix("config."), key.start_mark.line, last.line + (1 if last.column else 0)
        else:
            yield from _secret_ranges(value, name)


def _is_secure(node: yaml.Node) -> bool:
    return isinstance(node, yaml.MappingNode) and [key.value for key, _ in node.value] == ["secure"]


def _without(document: Any, top: bool = True) -> Any:
    if not isinstance(document, dict):
        return document
    kept = {key: value for key, value in document.items() if not (top and key in OF_PULUMI)}
    return {key: _without(v, False) for key, v in kept.items() if not (isinstance(v, dict) and set(v) == {"secure"})}
