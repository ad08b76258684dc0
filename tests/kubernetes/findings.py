"""What a check of manifests says, and how the checks are found: each is of one security control (docs/security.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from components.targets.kubernetes.names import Manifest
from policies.finding import Finding, value
from policies.objects import CONTROLLERS, Pod, pods
from policies.reviewed import EXCEPTIONS, excepted, exceptions
from policies.together import copies
from tests.kubernetes.rendered import Stack

__all__ = ["EXCEPTIONS", "Finding", "Pod", "excepted", "exceptions", "value"]


@dataclass(frozen=True)
class Subject:
    """What a check looks at: a stack's description, and its objects as they would be sent."""

    stack: Stack
    objects: list[Manifest]

    def of_kind(self, *kinds: str) -> Iterator[Manifest]:
        """The stack's own objects of these kinds, its node agents' among them."""
        for one in self.objects:
            place = one["metadata"].get("namespace")
            own = place == self.stack.site.namespace or (place in self.stack.namespaces and self.stack.owns(one))
            if one["kind"] in kinds and own:
                yield one

    def pods(self) -> Iterator[Pod]:
        """The pods of the stack's own controllers."""
        for one in self.of_kind(*CONTROLLERS):
            yield from pods(one)

    def copies(self, controller: Manifest) -> int:
        """How many copies of a controller there can be, an autoscaler's most included."""
        return copies(list(self.of_kind("ScaledObject")), controller)

    @property
    def own(self) -> list[Manifest]:
        """The stack's own objects of every kind."""
        return list(self.of_kind(*{one["kind"] for one in self.objects}))


Check = Callable[[Subject], Iterable[Finding]]
CHECKS: dict[int, Check] = {}
"""By the control each is of."""


def control(number: int) -> Callable[[Check], Check]:
    """Marks the check of a control."""

    def register(check: Check) -> Check:
        assert number not in CHECKS, f"two checks of control {number}"
        CHECKS[number] = check
        return check

    return register


def findings(stack: Stack, objects: list[Manifest], of: int | None = None) -> list[Finding]:
    """Everything our own checks say about the objects; the check of one control alone where it is named."""
    subject = Subject(stack, objects)
    return [found for number, check in CHECKS.items() if of in (None, number) for found in check(subject)]
