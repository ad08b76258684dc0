"""What a check of manifests says, and how the checks are found: each is of one security control (docs/security.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from components.settings.model import SecurityException
from components.targets.kubernetes.names import Manifest
from tests.kubernetes.rendered import CONTROLLERS, Stack, key

EXCEPTIONS = Path(__file__).with_name("exceptions.yaml")


@dataclass(frozen=True)
class Finding:
    """A control that one object does not meet: where in it, what could happen, and what to do."""

    control: int
    resource: str
    path: str
    harm: str
    fix: str

    def __str__(self) -> str:
        return f"{self.resource} {self.path}: {self.harm} (control {self.control}) — {self.fix}"


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
            template = one["spec"]["template"]
            for container in template["spec"]["containers"]:
                yield Pod(one, template, template["spec"], container)

    def copies(self, controller: Manifest) -> int:
        """How many copies of a controller there can be, an autoscaler's most included."""
        for scaled in self.of_kind("ScaledObject"):
            target = scaled["spec"]["scaleTargetRef"]
            if (target["kind"], target["name"]) == (controller["kind"], controller["metadata"]["name"]):
                return int(scaled["spec"]["maxReplicaCount"])
        return int(controller["spec"].get("replicas", 1))


@dataclass(frozen=True)
class Pod:
    """One container of a controller's pods, with all around it."""

    controller: Manifest
    template: Manifest
    spec: Manifest
    container: Manifest

    @property
    def name(self) -> str:
        """The controller, for messages."""
        return key(self.controller)

    @property
    def workload(self) -> str:
        """The workload it was made of."""
        return str(self.container["name"])

    @property
    def serves(self) -> bool:
        """Whether it is a service and no job."""
        return bool(self.controller["kind"] != "Job")

    def finding(self, control: int, path: str, harm: str, fix: str) -> Finding:
        """A finding in the pod's specification."""
        return Finding(control, self.name, f"spec.template.spec.{path}", harm, fix)

    def inside(self, control: int, path: str, harm: str, fix: str) -> Finding:
        """A finding in its container."""
        return self.finding(control, f"containers[{self.container['name']}].{path}", harm, fix)


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


def exceptions(today: date | None = None, path: Path = EXCEPTIONS) -> list[SecurityException]:
    """The reviewed exceptions. Raises pydantic's ValidationError for one that has expired or says too little."""
    context = {"today": today} if today else {}
    return [SecurityException.model_validate(row, context=context) for row in yaml.safe_load(path.read_text())]


def excepted(found: Iterable[Finding], allowed: Iterable[SecurityException]) -> tuple[list[Finding], list[str]]:
    """The findings that no exception covers, and the exceptions that cover none, in words."""
    used = set()
    open_ = []
    by_place = {(one.control, one.resource): one for one in allowed}
    for one in found:
        place = (one.control, one.resource)
        if place in by_place:
            used.add(place)
        else:
            open_.append(one)
    return open_, [f"control {number} on {resource}" for number, resource in by_place if (number, resource) not in used]


def value(manifest: Any, *path: str | int) -> Any:
    """What lies at a path; None where it ends before."""
    for step in path:
        try:
            manifest = manifest[step]
        except (KeyError, IndexError, TypeError):
            return None
    return manifest
