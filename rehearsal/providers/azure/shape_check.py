"""Whether inputs have the names, types and enumerated values that the SDK's own classes give them (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from rehearsal.providers.azure.failures import Failure, did_you_mean
from rehearsal.providers.azure.schema import Fields, Schema, Shape
from rehearsal.providers.azure.values import UNKNOWN

# What the plugin adds to a resource's inputs by itself: the API version, and that its name has a random end.
ADDED_BY_PLUGIN = ("azureApiVersion", "__createBeforeDelete")

_CHECKS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "list": (list,),
    "map": (Mapping,),
    "object": (Mapping,),
}


def shape_failures(schema: Schema, resource_type: str, inputs: Mapping[str, Any]) -> Iterator[Failure]:
    """Everything about these inputs that the SDK's types do not allow."""
    fields = schema.resources[resource_type].inputs
    plain = {name: value for name, value in inputs.items() if name not in ADDED_BY_PLUGIN}
    yield from _object_failures(schema, fields, plain, "")


def _object_failures(schema: Schema, fields: Fields, value: Mapping[str, Any], path: str) -> Iterator[Failure]:
    before = f"{path}." if path else ""
    for name in value.keys() - fields.keys():
        hint = did_you_mean(name, fields)
        yield Failure(f"{before}{name}", f"unknown property '{before}{name}'{hint or _choices(fields)}")
    for name, shape in fields.items():
        if name in value:
            yield from _value_failures(schema, shape, value[name], f"{before}{name}")
        elif shape.required:
            yield Failure(f"{before}{name}", f"missing required property '{before}{name}'")


_MORE_VALUES = {"dataFlows.streams": ("Microsoft-PrometheusMetrics",)}
"""What Azure takes beside the values that the SDK lists: the stream of figures is listed for their source only, and
every rule that sends some on must name it [?].
"""

_POSITION = re.compile(r"\[[0-9]+\]")


def _value_failures(schema: Schema, shape: Shape, value: Any, path: str) -> Iterator[Failure]:
    if value is UNKNOWN or shape.kind == "any":
        return
    right = isinstance(value, _CHECKS[shape.kind]) and not (isinstance(value, bool) and shape.kind != "boolean")
    if not right:
        yield Failure(path, f"'{path}' should be {_article(shape.kind)} but got {value!r}")
    elif shape.values and value not in (*shape.values, *_MORE_VALUES.get(_POSITION.sub("", path), ())):
        hint = did_you_mean(value, shape.values)
        yield Failure(path, f"'{value}' is no value of '{path}'{hint}; it is one of {', '.join(shape.values)}")
    elif isinstance(value, list) and shape.of:
        for index, item in enumerate(value):
            yield from _value_failures(schema, shape.of, item, f"{path}[{index}]")
    elif shape.kind == "map" and shape.of:
        for key, item in value.items():
            yield from _value_failures(schema, shape.of, item, f'{path}["{key}"]' if "." in key else f"{path}.{key}")
    elif shape.kind == "object":
        yield from _object_failures(schema, schema.fields_of(shape), value, path)


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeio' else 'a'} {kind}"


def _choices(fields: Fields) -> str:
    names = sorted(fields)
    return f"; known are {', '.join(names[:8])}{', …' if len(names) > 8 else ''}"
