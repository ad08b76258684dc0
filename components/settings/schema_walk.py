"""Follow the location of a validation error through the data and through the JSON Schema of the settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Step:
    """Where an error is: the keys a person wrote, the schema of the value there, and the fields known beside it."""

    keys: tuple[str | int, ...]
    node: Mapping[str, Any]
    siblings: tuple[str, ...]

    @property
    def section(self) -> str:
        """The top-level key the error is under."""
        return str(self.keys[0]) if self.keys else ""


def walk(location: Sequence[str | int], raw: Any, schema: Mapping[str, Any]) -> Step:
    """Follow `location`. Names of union members, which pydantic puts between the keys, are left out of the result."""
    keys: list[str | int] = []
    node, siblings, value = schema, _fields(schema), raw
    for index, part in enumerate(location):
        node = resolve(node, schema)
        if part == "[key]":
            break
        last = index == len(location) - 1
        if isinstance(value, Mapping) and (part in value or (last and part in _fields(node))):
            keys.append(part)
            siblings = _fields(node)
            node, value = _child(node, part), value.get(part)
        elif isinstance(value, list) and isinstance(part, int):
            keys.append(part)
            node, value = node.get("items", {}), value[part] if part < len(value) else None
        elif part in (members := node.get("discriminator", {}).get("mapping", {})):
            node = {"$ref": members[part]}
            siblings = _fields(resolve(node, schema))
    return Step(tuple(keys), resolve(node, schema), siblings)


def resolve(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema a `$ref` points to; of an optional value, the schema it has when it is given."""
    while True:
        if reference := node.get("$ref"):
            node = schema["$defs"][reference.rpartition("/")[2]]
        elif len(given := [member for member in node.get("anyOf", ()) if member.get("type") != "null"]) == 1:
            node = given[0]
        else:
            return node


def standard(node: Any) -> Any:
    """A schema with what pydantic leaves out: names that match no pattern are refused, and limits of fields with a
    validator of their own have their JSON Schema words."""
    if isinstance(node, list):
        return [standard(member) for member in node]
    if not isinstance(node, Mapping):
        return node
    words = {_LIMITS.get(key, key) if "type" in node else key: standard(value) for key, value in node.items()}
    return {**words, "additionalProperties": False} if "patternProperties" in words else words


_LIMITS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}


def _fields(node: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(node.get("properties", ()))


def _child(node: Mapping[str, Any], key: str | int) -> Mapping[str, Any]:
    if key in node.get("properties", {}):
        return dict(node["properties"][key])
    for child in node.get("patternProperties", {}).values():
        return dict(child)
    child = node.get("additionalProperties")
    return dict(child) if isinstance(child, Mapping) else {}
