"""YAML that means one thing to every reader.

PyYAML follows YAML 1.1 and Pulumi follows YAML 1.2, so `no`, `0777`, `1:30` and `1e3` differ between them. Such words,
duplicate keys, aliases, NaN and numbers that JSON cannot carry are refused instead of guessed; dates stay text.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

LARGEST_FILE = 1024 * 1024
"""Bytes; a stack file has a few kilobytes, so anything larger is not one."""

LARGEST_INTEGER = 2**53 - 1
"""Pulumi passes configuration as JSON, whose readers lose precision above this."""

DEEPEST = 40
"""Levels of nesting; deeper ones exhaust the parser's stack."""

_TRAP = "!ambiguous"


class YamlError(ValueError):
    """A YAML file that cannot be used. The text is one sentence: file:line:column, the harm and the fix."""


class _Loader(yaml.SafeLoader):
    """SafeLoader that knows only strings, true/false, decimal numbers, null, lists and mappings."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "anchor", None):  # set on aliases too
            raise _problem(event.start_mark, "anchors and aliases can grow without bound", "write the value out")
        if getattr(event, "tag", None):
            raise _problem(
                event.start_mark, "a '!' tag makes a reader build something else than plain data", "remove it"
            )
        self._depth += 1
        if self._depth > DEEPEST:
            raise _problem(event.start_mark, f"nested deeper than {DEEPEST} levels", "flatten it")
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[str, yaml.Mark] = {}
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise _problem(key.start_mark, "a key that is not text", "put the key in quotes")
            if key.value in seen:
                first = seen[key.value].line + 1
                harm = f"duplicate key '{_shown(key.value)}' (first on line {first}): one of the two would be ignored"
                raise _problem(key.start_mark, harm, "remove one")
            seen[key.value] = key.start_mark
        return super().construct_mapping(node, deep)

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        text = str(self.construct_scalar(node))
        number = float(text) if "." in text else int(text[:40])
        if abs(number) > LARGEST_INTEGER:
            raise _problem(node.start_mark, "a number larger than 2^53 loses digits on its way", "make it smaller")
        return number

    def construct_ambiguous(self, node: yaml.ScalarNode) -> Any:
        text = str(self.construct_scalar(node))
        if re.fullmatch(_YES_NO, text):
            harm = f"'{text}' is true or false to some readers and text to others: expected string, got bool"
            raise _problem(node.start_mark, harm, f'write true or false, or "{text}" in quotes for text')
        if re.fullmatch(_NOT_FINITE, text):
            raise _problem(node.start_mark, f"'{text}' is not a finite number", "give a finite number")
        harm = f"'{_shown(text)}' is one number to some readers and another, or text, to others"
        raise _problem(node.start_mark, harm, "write a plain decimal number, or put it in quotes for text")


_YES_NO = r"(?i:yes|no|on|off|y|n|true|false)"
_NOT_FINITE = r"(?i:[-+]?\.(inf|nan))"
_RESOLVERS: tuple[tuple[str, str], ...] = (
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE"),
    ("tag:yaml.org,2002:null", r"null|~|"),
    ("!number", r"-?(0|[1-9][0-9]*)(\.[0-9]+)?"),
    (_TRAP, _YES_NO),
    (_TRAP, _NOT_FINITE),
    (_TRAP, r"[-+]?0[xXoObB]?[0-9a-fA-F_]+"),  # octal, hexadecimal, binary
    (_TRAP, r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"),  # base 60: 22:30 is 1350 in YAML 1.1
    (_TRAP, r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?"),  # 1_000, 1e3, +5, 1.
    (_TRAP, r"[-+]?\.[0-9_]+([eE][-+]?[0-9]+)?"),
    (_TRAP, r"<<"),
)
for _tag, _pattern in _RESOLVERS:
    _Loader.add_implicit_resolver(_tag, re.compile(rf"\A(?:{_pattern})\Z"), None)
_Loader.add_constructor("!number", _Loader.construct_number)
_Loader.add_constructor(_TRAP, _Loader.construct_ambiguous)


def read(path: Path, *, name: str | None = None) -> dict[str, Any]:
    """Read the mapping in a YAML file. `name` is what messages call the file (its last part by default).

    Raises YamlError when the file is missing, unreadable, too large or not one unambiguous mapping.
    """
    name = name or path.name
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise YamlError(f"{name}: the file does not exist") from None
    except OSError as error:
        raise YamlError(f"{name}: cannot be read ({error.strerror}) — check its type and permissions") from None
    if len(raw) > LARGEST_FILE:
        raise YamlError(f"{name}: larger than {LARGEST_FILE // 1024} KiB, so it is no configuration file — shorten it")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise YamlError(f"{name}:{line}: not UTF-8 text — save the file as UTF-8") from None
    return parse(text, name)


def parse(text: str, name: str) -> dict[str, Any]:
    """Parse one YAML document that is a mapping. Raises YamlError."""
    try:
        loader = _Loader(text)
        try:
            document = loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise YamlError(f"{name}:{line}: control character U+{error.character:04X} — remove it") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise YamlError(f"{where}: {_reason(error)}") from None
    if document is None:
        raise YamlError(f"{name}: the file is empty — write the settings under 'config:'")
    if not isinstance(document, dict):
        kind = "a list" if isinstance(document, list) else "a single value"
        raise YamlError(f"{name}: {kind} at the top — the top must be a mapping ('key: value')")
    return document


class _Refused(yaml.MarkedYAMLError):
    """A refusal of this module, already worded."""


def _problem(mark: yaml.Mark, harm: str, fix: str) -> _Refused:
    return _Refused(problem=f"{harm} — {fix}", problem_mark=mark)


def _reason(error: yaml.MarkedYAMLError) -> str:
    if isinstance(error, _Refused):
        return str(error.problem)
    if isinstance(error, yaml.composer.ComposerError):
        return "more than one document ('---') in the file — keep one"
    detail = "a tab is used for indentation" if "'\\t'" in str(error.problem) else f"broken YAML, {error.problem}"
    return f"{detail} — indent with spaces, close quotes and brackets, write 'key: value'"


def _shown(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}…"
