"""What a deletion takes along, and what keeps Azure from it."""

from __future__ import annotations

from rehearsal.providers.azure import arm_ids
from rehearsal.providers.azure.checks.everything import unlocked
from rehearsal.providers.azure.errors import ArmError, bad_request
from rehearsal.providers.azure.faults import scope_locked
from rehearsal.providers.azure.store import Record, Store

_KEPT_AFTERWARDS = ("keyvault:Vault", "keyvault:Secret")
_LOCK = "authorization:ManagementLockByScope"

# What cannot go while something outside names it. An identity can: whoever uses it fails later.
_IN_USE: dict[str, tuple[str, str]] = {
    "network:Subnet": (
        "InUseSubnetCannotBeDeleted",
        "Subnet {name} is in use by {user} and cannot be deleted. In order to delete the subnet, delete all the "
        "resources within the subnet. See aka.ms/deletesubnet.",
    ),
    "network:NetworkSecurityGroup": (
        "InUseNetworkSecurityGroupCannotBeDeleted",
        "Network security group {name} cannot be deleted because it is in use by the following resources: {user}.",
    ),
    "network:NatGateway": (
        "InUseNatGatewayCannotBeDeleted",
        "NAT gateway {name} cannot be deleted because it is in use by the following resources: {user}.",
    ),
    "network:RouteTable": (
        "InUseRouteTableCannotBeDeleted",
        "Route table {name} is in use and cannot be deleted: {user}.",
    ),
    "network:PublicIPAddress": (
        "PublicIPAddressCannotBeDeleted",
        "Public IP address {id} can not be deleted since it is still allocated to resource {user}.",
    ),
}


def check(store: Store, arm_id: str) -> None:
    """Raise ArmError when Azure would refuse. The caller holds the store's lock."""
    record = store.get(arm_id)
    if record is None:
        return
    unlocked(store, "delete", arm_id)
    going = [record, *store.below(arm_id)]
    for lock in store.all(_LOCK):
        if arm_ids.below(lock.id, arm_id) and record.resource_type != _LOCK:
            raise scope_locked("delete", arm_id, lock.id.rpartition("/providers/")[0])
    for one in going:
        _not_in_use(store, one, going)
    _leaves_a_system_pool(store, record)


def delete(store: Store, arm_id: str) -> None:
    """Remove it and what lies in it; vaults and secrets stay under their names until they are purged."""
    record = store.get(arm_id)
    if record is None:
        return
    for one in (*store.below(arm_id), record):
        if one.resource_type in _KEPT_AFTERWARDS:
            store.soft_delete(one)
        store.remove(one.id)


def _not_in_use(store: Store, record: Record, going: list[Record]) -> None:
    if record.resource_type not in _IN_USE:
        return
    leaving = {arm_ids.key(one.id) for one in going}
    for other in store.all():
        if arm_ids.key(other.id) in leaving:
            continue
        if any(arm_ids.same(arm_id, record.id) for _, arm_id in arm_ids.references(other.inputs)):
            code, message = _IN_USE[record.resource_type]
            raise bad_request(message.format(name=record.name, id=record.id, user=other.id), code)


def _leaves_a_system_pool(store: Store, record: Record) -> None:
    cluster = (
        store.get(arm_ids.parent_of(record.id) or "") if record.resource_type == "containerservice:AgentPool" else None
    )
    if cluster is None or record.outputs.get("mode") != "System":
        return
    beside = [
        r.outputs for r in store.all(record.resource_type) if arm_ids.below(r.id, cluster.id) and r.id != record.id
    ]
    if not any(pool.get("mode") == "System" for pool in (*cluster.outputs.get("agentPoolProfiles", ()), *beside)):
        raise ArmError(
            400,
            "OperationNotAllowed",
            "There has to be at least one system agent pool: the last one cannot be deleted.",
        )
