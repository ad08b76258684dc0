"""Every hardening field of the manifests broken once, and which checks must notice: no other may, and none of them not.

`fails` names our own checks by their control, SCHEMA and ADMISSION those that are Kubernetes' own. A field that stands
in a pod and in its container is broken in each.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from components.targets.kubernetes.names import Manifest
from tests.kubernetes.rendered import key

Step = str | int
ADMISSION = "admission"
"""Pod Security Admission, at the level and version that the namespace pins."""

SCHEMA = "schema"
"""Kubernetes' schemas, strict; an API server calls it field validation."""

REMOVED = object()


@dataclass(frozen=True)
class Mutation:
    """One object, by `Kind/name`, with `value` at `path`: REMOVED, what a function makes of the old one, or a new one.

    With an empty path the whole object is removed, or another one added.
    """

    what: str
    stack: str
    resource: str
    path: tuple[Step, ...]
    value: Any
    fails: frozenset[int | str]

    def applied(self, objects: list[Manifest]) -> list[Manifest]:
        """The objects, one of them broken. Raises LookupError for an object or a path that is not there."""
        [at] = [n for n, one in enumerate(objects) if key(one) == self.resource]
        changed = copy.deepcopy(objects)
        if not self.path:
            if self.value is REMOVED:
                return [*changed[:at], *changed[at + 1 :]]
            return [*changed, copy.deepcopy(self.value)]
        place: Any = changed[at]
        for step in self.path[:-1]:
            place = place[step]
        last = self.path[-1]
        if self.value is REMOVED:
            del place[last]
        elif isinstance(place, list) and last == len(place):
            place.append(copy.deepcopy(self.value))
        else:
            new = self.value(place[last]) if callable(self.value) else copy.deepcopy(self.value)
            assert not (isinstance(place, dict) and place.get(last) == new), f"{self.what}: it is so already"
            place[last] = new
        return changed

    def broken(self, objects: list[Manifest]) -> Manifest | None:
        """The broken object itself; None where it is gone."""
        if not self.path:
            return None if self.value is REMOVED else self.applied(objects)[-1]
        return next(one for one in self.applied(objects) if key(one) == self.resource)


@dataclass(frozen=True)
class On:
    """One object of one stack, for rows of the table. `base` is where their paths begin."""

    stack: str
    resource: str
    base: tuple[Step, ...] = ()

    def __call__(self, what: str, path: str, value: Any, *fails: int | str) -> Mutation:
        """A row: the path with spaces between its steps; numbers are positions in lists."""
        steps = tuple(int(step) if step.isdigit() else step for step in path.split())
        whole = (*self.base, *steps) if path else ()
        return Mutation(what, self.stack, self.resource, whole, value, frozenset(fails))


POD = ("spec", "template", "spec")
CONTAINER = (*POD, "containers", 0)
