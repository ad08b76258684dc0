"""All rules over all resources of a stack, less what was decided to be so (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from components.settings.permissions import SecurityException
from policies import azure_rules, container, docker_rules, object_rules, pod_rules, together
from policies.finding import Finding, Resource
from policies.objects import Manifest, pods
from policies.reviewed import excepted, exceptions

SETTINGS_ONLY = (39,)
"""Controls for which a stack's exceptions change what its settings may say; no rule here is of them."""


def controls() -> frozenset[int]:
    """Every control that some rule here is about."""
    azure = (*azure_rules.CLUSTER, *azure_rules.POOL, *azure_rules.VAULT)
    own = {rule.control for rule in container.RULES} | set(pod_rules.RULES) | {field.control for field in azure}
    return frozenset(own | {15, 16, 22, 31, 33, 35, 36, 41, 70})


def manifest(resource: Resource) -> Manifest | None:
    """The Kubernetes object that a resource is; None for any other resource."""
    if not resource.type.startswith("kubernetes:"):
        return None
    kind = resource.type.rpartition(":")[2]
    return {"metadata": {"name": resource.name}, **resource.inputs, "kind": resource.inputs.get("kind") or kind}


ODD = (TypeError, ValueError, KeyError, AttributeError, IndexError)


def resource_findings(resource: Resource) -> Iterator[Finding]:
    """What one resource alone shows. One of a form that no rule understands is not let through (control 70)."""
    try:
        yield from _resource_findings(resource)
    except ODD as error:
        harm = f"it is not of the form that its kind has, so nobody can judge it ({type(error).__name__}: {error})"
        yield Finding(
            70, f"{resource.type.rpartition(':')[2]}/{resource.name}", "inputs", harm, "write it as its schema says"
        )


def _resource_findings(resource: Resource) -> Iterator[Finding]:
    if (one := manifest(resource)) is not None:
        for rule in pod_rules.RULES.values():
            for pod in pods(one):
                yield from rule(pod)
        for judge in (*object_rules.RULES.get(one["kind"], ()), object_rules.agents_are_alone):
            yield from judge(one)
    elif rule_for := azure_rules.rule_for(resource.type):
        yield from rule_for(resource)
    else:
        for docker_rule in docker_rules.RULES.get(resource.type, ()):
            yield from docker_rule(resource)


def stack_findings(resources: Iterable[Resource]) -> Iterator[Finding]:
    """What only several resources together show."""
    objects = [one for resource in resources if (one := manifest(resource)) is not None]
    for rule in together.RULES:
        try:
            yield from rule(objects)
        except ODD as error:
            harm = f"an object is not of the form that its kind has ({type(error).__name__}: {error})"
            yield Finding(70, "Stack", rule.__name__, harm, "write each object as its schema says")


@dataclass(frozen=True)
class Judged:
    """What was found, what was decided to be so, and which of the stack's own decisions are about nothing."""

    judged: int
    """How many resources some rule is about."""
    open: tuple[Finding, ...]
    excused: tuple[Finding, ...]
    unused: tuple[str, ...]


def has_rule(resource: Resource) -> bool:
    """Whether some rule is about a type of resource."""
    azure = azure_rules.rule_for(resource.type)
    return resource.type.startswith("kubernetes:") or bool(azure) or resource.type in docker_rules.RULES


def judge(resources: Sequence[Resource], own: Iterable[SecurityException] = ()) -> Judged:
    """Judge a stack. `own` are the exceptions of its file: one that excuses nothing is told (control 71).

    The project's own are for every stack, so one that excuses nothing in this one is no news; a test has them all.
    """
    found = list(dict.fromkeys([f for one in resources for f in resource_findings(one)] + [*stack_findings(resources)]))
    mine = [one for one in own if one.control not in SETTINGS_ONLY]
    left, unused = excepted(found, mine)
    open_, _ = excepted(left, exceptions())
    excused = tuple(one for one in found if one not in open_)
    order = ("critical", "high", "medium", "low")
    open_ = sorted(open_, key=lambda one: (order.index(one.severity), one.control, one.resource, one.path))
    return Judged(sum(map(has_rule, resources)), tuple(open_), excused, tuple(unused))
