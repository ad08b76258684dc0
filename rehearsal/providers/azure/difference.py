"""What a change of inputs means: nothing, an update, or a replacement (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rehearsal.providers.azure.catalogue import Resource
from rehearsal.providers.azure.naming import RANDOM_NAME
from rehearsal.providers.azure.values import Properties, at

Kind = Literal["add", "delete", "update"]


@dataclass(frozen=True)
class Change:
    """One changed property, by the path the engine shows, and whether it replaces the resource."""

    path: str
    kind: Kind
    replaces: bool


def changes(resource: Resource, olds: Properties, news: Properties) -> list[Change]:
    """Every difference between the inputs of the last deployment and the new ones."""
    old, new = (_comparable(inputs) for inputs in (olds, news))
    return list(_compare(resource.replacing, old, new, "", "", inherited=False))


def delete_before_replace(found: list[Change], olds: Properties) -> bool:
    """Whether the old one must go first: yes with a fixed name, which two cannot have at the same time."""
    return any(change.replaces for change in found) and not olds.get(RANDOM_NAME)


def refused_changes(resource: Resource, olds: Properties, news: Properties) -> list[str]:
    """The properties among the changed ones that Azure does not let anybody change."""
    return [path for path in resource.immutable if path_changed(path, olds, news)]


def path_changed(path: str, olds: Properties, news: Properties) -> bool:
    """Whether a property that was set is set to something else. Leaving one out changes nothing in Azure."""
    new = at(news, path)
    return new is not None and at(olds, path) is not None and new != at(olds, path)


def _comparable(inputs: Properties) -> Properties:
    # Azure does not care for spaces and capitals in a location: "West Europe" is westeurope.
    place = inputs.get("location")
    plain = {"location": place.replace(" ", "").lower()} if isinstance(place, str) else {}
    return {name: value for name, value in (inputs | plain).items() if name != RANDOM_NAME}


def _compare(
    replacing: frozenset[str], old: Any, new: Any, path: str, rule: str, *, inherited: bool
) -> Iterator[Change]:
    """`path` says where (`pools[0].name`), `rule` the same without positions, as the table of rules has it."""
    replaces = inherited or rule in replacing
    if old == new and type(old) is type(new):
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in (*old, *(k for k in new if k not in old)):
            below = f"{path}.{key}" if path else key
            named = f"{rule}.{key}" if rule else key
            yield from _pair(replacing, old.get(key), new.get(key), below, named, inherited=replaces)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            was, now = (values[index] if index < len(values) else None for values in (old, new))
            yield from _pair(replacing, was, now, f"{path}[{index}]", f"{rule}[]", inherited=replaces)
    else:
        yield Change(path, "update", replaces)


def _pair(replacing: frozenset[str], old: Any, new: Any, path: str, rule: str, *, inherited: bool) -> Iterator[Change]:
    if old is None or new is None:
        if old is not new:
            yield Change(path, "add" if old is None else "delete", inherited or rule in replacing)
        return
    yield from _compare(replacing, old, new, path, rule, inherited=inherited)
