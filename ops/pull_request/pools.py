"""What happens to clusters and their pools, as far as the description alone says it (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from components.sizing.auto import resolved
from components.targets.spec import Aks
from ops.pull_request.markdown import say
from ops.pull_request.sides import Place

FIXED = {"vm_size": "VM size", "spot": "spot", "zones": "zones", "os_disk_gib": "system disk", "mig_profile": "MIG"}
"""What Azure changes of no pool that is there, and so makes it anew (components/targets/aks/pools.py)."""

REPLACED = "all of cluster {}"
POOL = "what runs on pool {}"

CLUSTER = ("location", "network", "namespace")
"""What makes another cluster, or another place on it."""


def pools(place: Place) -> Iterator[tuple[str, str]]:
    """Sentences in the order things happen, each with what stands still by it, if anything does."""
    if place.before is None or place.after is None:
        return
    old_side, new_side = place.before.settings, place.after.settings
    for name in new_side.targets:
        if name not in old_side.targets:
            continue
        old, new = resolved(old_side, name), resolved(new_side, name)
        if not isinstance(old, Aks) or not isinstance(new, Aks):
            continue
        if found := [field for field in CLUSTER[:2] if getattr(old, field) != getattr(new, field)]:
            yield (
                say("cluster {} is **replaced**: {} cannot be changed", name, found[0]),
                say(REPLACED, name),
            )
            continue
        yield from _of_cluster(name, old, new)


def remade(place: Place, target: str, gpus: int) -> bool:
    """Whether what needs so many GPUs on a target loses the nodes of its pool."""
    spec = place.after.settings.targets.get(target) if place.after else None
    pool = spec.pool_for(gpus) if isinstance(spec, Aks) else None
    return pool is not None and any(what == say(POOL, pool) for _, what in pools(place))


def _of_cluster(name: str, old: Aks, new: Aks) -> Iterator[tuple[str, str]]:
    if old.kubernetes_version != new.kubernetes_version:
        words = "cluster {}: Kubernetes {} → {}, control plane first, then node by node"
        yield say(words, name, old.kubernetes_version, new.kubernetes_version), ""
    for pool in dict.fromkeys([*new.pools, *old.pools]):
        was, is_ = old.pools.get(pool), new.pools.get(pool)
        if was is None:
            yield say("pool {} is added", pool), ""
        elif is_ is None:
            yield say("pool {} is removed, and its nodes with it", pool), ""
        elif found := [words for field, words in FIXED.items() if getattr(was, field) != getattr(is_, field)]:
            why = " and ".join(found)
            if is_.mode == "system":
                words = f"pool {{}}: another {why} does not reach a cluster that is there (az aks nodepool update does)"
                yield say(words, pool), ""
                continue
            words = f"pool {{}} is made anew ({why}): its nodes go first, then others come, and what runs on it waits"
            yield say(words, pool), say(POOL, pool)
        elif (was.min_nodes, was.max_nodes) != (is_.min_nodes, is_.max_nodes):
            yield say("pool {} keeps its nodes; how many there may be changes", pool), ""
