"""Sizes that a region has, and vCPUs that are left of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rehearsal.providers.azure import arm_ids
from rehearsal.providers.azure.errors import ArmError, bad_request
from rehearsal.providers.azure.request import Request
from rehearsal.providers.azure.store import Record, Store
from rehearsal.providers.azure.values import Properties
from rehearsal.providers.azure.vm_sizes import Size, size_of

_SPOT = "spot"
"""Spot nodes share one quota, whatever their size."""


def offered(request: Request, pool: Properties) -> None:
    """Raise ArmError when the region has not the pool's size, or not its zones."""
    size = size_of(str(pool.get("vmSize", "")))
    if size and not request.subscription.offers(size.family, request.location):
        raise bad_request(
            f"The VM size of {size.name} is not allowed in your subscription in location '{request.location}'. For "
            "more details, please visit https://aka.ms/aks/quotas-skus-regions",
            "SkuNotAvailable",
        )
    if pool.get("availabilityZones") and not request.subscription.regions.get(request.location, True):
        raise bad_request(f"Location {request.location} has no availability zones.", "AvailabilityZoneNotSupported")


def has_room(request: Request, pools: list[Properties]) -> None:
    """Raise ArmError when the nodes that these pools begin with are more than the quota has left."""
    others = [pool for pool in _pools(request.store, request.location) if not _is_mine(request, pool)]
    used = _count(pool for _, pool in others)
    for pool in pools:
        size = size_of(str(pool.get("vmSize", "")))
        if not size:
            continue
        family, wanted = _family(pool, size), size.vcpus * nodes_of(pool)
        limit = request.subscription.vcpus(family)
        left = limit - used.get(family, 0)
        total = request.subscription.quota["total"] - sum(used.values())
        if wanted > min(left, total):
            raise ArmError(
                400,
                "ErrCode_InsufficientVCPUQuota",
                f"Insufficient vcpu quota requested {wanted}, remaining {max(0, min(left, total))} for family "
                f"{family}Family for region {request.location}. Surge nodes would also consume vcpu quota.",
            )
        used[family] = used.get(family, 0) + wanted


def nodes_of(pool: Properties) -> int:
    """How many nodes a pool has, or begins with."""
    count = pool.get("count", pool.get("minCount", 1))
    return count if isinstance(count, int) else 1


def _pools(store: Store, region: str) -> Iterator[tuple[Record, Properties]]:
    for cluster in store.all("containerservice:ManagedCluster"):
        if str(cluster.outputs.get("location", "")).lower() != region:
            continue
        for pool in cluster.outputs.get("agentPoolProfiles", ()):
            yield cluster, pool
        for record in store.all("containerservice:AgentPool"):
            if arm_ids.below(record.id, cluster.id):
                yield record, record.outputs


def _is_mine(request: Request, pool: tuple[Record, Properties]) -> bool:
    return arm_ids.same(pool[0].id, request.arm_id)


def _count(pools: Iterable[Properties]) -> dict[str, int]:
    used: dict[str, int] = {}
    for pool in pools:
        if size := size_of(str(pool.get("vmSize", ""))):
            used[_family(pool, size)] = used.get(_family(pool, size), 0) + size.vcpus * nodes_of(pool)
    return used


def _family(pool: Properties, size: Size) -> str:
    return _SPOT if pool.get("scaleSetPriority") == "Spot" else size.family
