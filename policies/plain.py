"""Pulumi's inputs as plain values, from a preview's JSON, a policy pack's arguments or mocks (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from policies.finding import UNKNOWN

MARK = "4dabf18193072939515e22adb298388d"
"""The key by which Pulumi marks an object that is no plain value (pulumi/sdk: resource.SigKey)."""

SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a mark, the same everywhere
"""What stands at that key for a secret; anything else is an asset or an archive."""

UNKNOWNS = {
    "04da6b54-80e4-46f7-96ec-b56ff0331ba9", "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421", "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "030794c1-ac77-496b-92df-f27374a8bd58", "e48ece36-62e2-4504-bad9-02848725956a",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
}  # fmt: skip
"""What stands for a value that only the deployment will know, one for each kind (pulumi/sdk: plugin.Unknown…Value)."""


def plain(given: Any) -> Any:
    """The value without wrappers: `[unknown]`, `[secret]` and `[file]` for what is not shown, whole numbers as such."""
    if isinstance(given, str):
        return UNKNOWN if given in UNKNOWNS else given
    if isinstance(given, Mapping):
        # A policy pack's mappings raise for an unknown value; what they wrap is asked instead.
        inner = given["__target"] if type(given).__name__ == "_DictProxy" else given
        if MARK in inner:
            return "[secret]" if inner[MARK] == SECRET else "[file]"
        return {str(key): plain(one) for key, one in inner.items()}
    if isinstance(given, Sequence):
        inner = given["__target"] if type(given).__name__ == "_ListProxy" else given  # type: ignore[call-overload]
        return [plain(one) for one in inner]
    if isinstance(given, float) and given.is_integer():
        return int(given)
    return given
