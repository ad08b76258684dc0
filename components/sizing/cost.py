"""What the clusters of a stack cost, once every pool has a VM size (pure)."""

from __future__ import annotations

from components.pricing import ClusterCost, cluster_cost
from components.sizing.auto import Described, resolved
from components.targets.spec import Aks


def costs(settings: Described) -> list[ClusterCost]:
    """The cost of every cluster that the stack makes; nothing for what runs on machines that are there anyway."""
    targets = {name: resolved(settings, name) for name in settings.targets}
    return [cluster_cost(name, target, settings) for name, target in targets.items() if isinstance(target, Aks)]
