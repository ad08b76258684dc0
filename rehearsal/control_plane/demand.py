"""What pods ask for, and which nodes would have room for them (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from components.targets.kubernetes.site import Taint
from rehearsal.control_plane.pools import SimulatedPool

Object = dict[str, Any]
Resources = dict[str, Decimal]


def requests(pod: Object) -> Resources:
    """What the scheduler reserves for the pod: the sum of its containers, or its largest init container."""
    spec = pod["spec"]
    running = [c for c in spec.get("initContainers", ()) if c.get("restartPolicy") == "Always"] + spec["containers"]
    total = _sum(map(_asked, running))
    for init in spec.get("initContainers", ()):
        if init.get("restartPolicy") != "Always":
            total = {k: max(v, total.get(k, Decimal(0))) for k, v in (total | _asked(init)).items()}
    total = _sum([total, _quantities(spec.get("overhead", {}))])
    return total | {"pods": Decimal(1)}


def tolerates(pod: Object, taints: Iterable[Taint]) -> bool:
    """Whether no taint keeps the pod off."""
    return all(
        taint.effect == "PreferNoSchedule" or any(_matches(t, taint) for t in pod["spec"].get("tolerations", ()))
        for taint in taints
    )


def selects(pod: Object, labels: dict[str, str]) -> bool:
    """Whether the pod's node selector and required node affinity take a node with the labels."""
    if any(labels.get(k) != v for k, v in pod["spec"].get("nodeSelector", {}).items()):
        return False
    affinity = pod["spec"].get("affinity", {}).get("nodeAffinity", {})
    terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms")
    return terms is None or any(
        all(_expression_holds(e, labels) for e in term.get("matchExpressions", ())) for term in terms
    )


def one_per_node(pod: Object) -> bool:
    """Whether the pod refuses to share a node with its like: hard anti-affinity or spread over host names."""
    spec = pod["spec"]
    apart = (
        spec.get("affinity", {}).get("podAntiAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution", ())
    )
    spread = [c for c in spec.get("topologySpreadConstraints", ()) if c["whenUnsatisfiable"] == "DoNotSchedule"]
    return any(term["topologyKey"] == "kubernetes.io/hostname" for term in [*apart, *spread])


def owner(pod: Object) -> str:
    """What made the pod; pods of one owner are alike."""
    owners = pod["metadata"].get("ownerReferences") or [{"uid": pod["metadata"]["name"]}]
    return str(owners[0]["uid"])


@dataclass
class Room:
    """What is left of a node, existing or thought of."""

    free: Resources
    owners: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, pool: SimulatedPool) -> Room:
        """An empty node of the pool."""
        return cls(_quantities(pool.allocatable()))

    def take(self, pod: Object) -> bool:
        """Place the pod when it fits, and say whether it did."""
        asked = requests(pod)
        if any(amount > self.free.get(name, Decimal(0)) for name, amount in asked.items() if amount):
            return False
        if one_per_node(pod) and owner(pod) in self.owners:
            return False
        self.free = {name: left - asked.get(name, Decimal(0)) for name, left in self.free.items()}
        self.owners.add(owner(pod))
        return True


def _asked(container: Object) -> Resources:
    resources = container.get("resources", {})
    return _quantities({**resources.get("limits", {}), **resources.get("requests", {})})


def _quantities(texts: dict[str, str]) -> Resources:
    return {name: parse_quantity(text) for name, text in texts.items()}  # type: ignore[no-untyped-call]


def _sum(parts: Iterable[Resources]) -> Resources:
    total: Resources = {}
    for part in parts:
        for name, amount in part.items():
            total[name] = total.get(name, Decimal(0)) + amount
    return total


def _matches(toleration: Object, taint: Taint) -> bool:
    if toleration.get("effect") not in (None, "", taint.effect):
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return toleration.get("key") in (None, "", taint.key)
    return toleration.get("key") == taint.key and toleration.get("value", "") == taint.value


def _expression_holds(expression: Object, labels: dict[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values", ())
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return value is not None and int(value) > int(values[0])
        case "Lt":
            return value is not None and int(value) < int(values[0])
        case other:
            raise ValueError(f"node affinity operator {other!r} is not known")
