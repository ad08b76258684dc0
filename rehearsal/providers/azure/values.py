"""Property values as plain Python, and the one value that plain Python lacks: what is not known yet.

The engine sends what a preview cannot know as an agreed string, a different one for each kind of value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf import json_format, struct_pb2

Properties = dict[str, Any]


class Unknown:
    """The type of `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __copy__(self) -> Unknown:
        return self

    def __deepcopy__(self, _: object) -> Unknown:
        return self


UNKNOWN: Final = Unknown()

_UNKNOWN_STRING = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_UNKNOWNS = {
    _UNKNOWN_STRING,
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # a boolean
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # a number
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # a list
    "030794c1-77ac-496b-92df-f27374a8bd58",  # an asset
    "e48ece36-62e2-4504-bad9-02848725956a",  # an archive
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # an object
}


def received(message: struct_pb2.Struct) -> Properties:
    """What came over the wire. Whole numbers are ints and nulls are left out, as azure-native does."""
    value = _plain(json_format.MessageToDict(message))
    return value if isinstance(value, dict) else {}


def sent(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """Properties as they go over the wire."""
    message = struct_pb2.Struct()
    message.update(_wire(properties))
    return message


def at(value: Any, path: str) -> Any:
    """What lies at `path` (`networkProfile.podCidr`): None where nothing does, UNKNOWN below an unknown value."""
    for part in path.split("."):
        if value is UNKNOWN:
            return UNKNOWN
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def known(value: Any, path: str) -> Any:
    """Like `at`, and None as well where the value is not known yet: rules judge only what is known."""
    found = at(value, path)
    return None if has_unknown(found) else found


def has_unknown(value: Any) -> bool:
    """Whether the value is unknown or holds something that is."""
    if isinstance(value, Mapping):
        return any(has_unknown(v) for v in value.values())
    if isinstance(value, list):
        return any(has_unknown(v) for v in value)
    return value is UNKNOWN


def merged(base: Any, over: Any) -> Any:
    """`over` laid on `base`: maps are merged key by key, everything else is replaced."""
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        return {key: merged(base.get(key), over[key]) if key in over else base[key] for key in {**base, **over}}
    return base if over is None else over


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, str) and value in _UNKNOWNS:
        return UNKNOWN
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _wire(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _wire(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_wire(v) for v in value]
    return _UNKNOWN_STRING if value is UNKNOWN else value
