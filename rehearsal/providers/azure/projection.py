"""Inputs and outputs seen as each other: what a preview can say of outputs, and what a read says of inputs (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rehearsal.providers.azure.schema import Fields, Schema, Shape
from rehearsal.providers.azure.values import UNKNOWN, Properties


def previewed(schema: Schema, resource_type: str, inputs: Properties) -> Properties:
    """Outputs before anything is created: what was put in comes out, and everything else is not known yet."""
    return _previewed(schema, schema.resources[resource_type].outputs, inputs)


def _previewed(schema: Schema, fields: Fields, inputs: Mapping[str, Any]) -> Properties:
    found: Properties = {}
    for name, shape in fields.items():
        value = inputs.get(name, UNKNOWN)
        if shape.kind == "map" and isinstance(value, list):
            found[name] = UNKNOWN  # Ids of identities go in as a list, and come out as a map of who they are.
        elif shape.kind == "object" and isinstance(value, Mapping):
            found[name] = _previewed(schema, schema.fields_of(shape), value)
        elif shape.kind == "list" and isinstance(value, list) and shape.of and shape.of.kind == "object":
            item = schema.fields_of(shape.of)
            found[name] = [_previewed(schema, item, v) if isinstance(v, Mapping) else v for v in value]
        else:
            found[name] = value
    return found


def as_inputs(schema: Schema, resource_type: str, outputs: Properties) -> Properties:
    """Outputs without what can only come out, in the form in which they could be put in."""
    return _as_inputs(schema, schema.resources[resource_type].inputs, outputs)


def _as_inputs(schema: Schema, fields: Fields, outputs: Mapping[str, Any]) -> Properties:
    return {name: _as_input(schema, fields[name], value) for name, value in outputs.items() if name in fields}


def _as_input(schema: Schema, shape: Shape, value: Any) -> Any:
    if shape.kind == "object" and isinstance(value, Mapping):
        return _as_inputs(schema, schema.fields_of(shape), value)
    if shape.kind == "list" and isinstance(value, Mapping):
        return list(value)
    if shape.kind == "list" and isinstance(value, list) and shape.of:
        return [_as_input(schema, shape.of, item) for item in value]
    return value


def refreshed(inputs: Properties, before: Properties, now: Properties) -> Properties:
    """The inputs of the last deployment with what has changed in Azure since.

    `before` and `now` are outputs in the form of inputs. What did not change stays as it was put in, so that what Azure
    takes by itself never shows as a change; what changed becomes an input, as azure-native does it.
    """
    found = {name: value for name, value in inputs.items() if name in now or name not in before}
    for name, value in now.items():
        if name not in before:
            found[name] = value
        elif before[name] != value:
            found[name] = _changed(inputs.get(name), before[name], value)
    return found


def _changed(base: Any, before: Any, now: Any) -> Any:
    if isinstance(base, dict) and isinstance(before, dict) and isinstance(now, dict):
        return refreshed(base, before, now)
    if isinstance(base, list) and isinstance(before, list) and isinstance(now, list):
        pairs = min(len(base), len(before))
        return [_changed(base[i], before[i], item) if i < pairs else item for i, item in enumerate(now)]
    return now
