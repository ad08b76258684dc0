"""What comes along with a resource, and what a read of it shows of others."""

from __future__ import annotations

from rehearsal.providers.azure import arm_ids
from rehearsal.providers.azure.outputs.network import subnets_of
from rehearsal.providers.azure.store import Record, Store
from rehearsal.providers.azure.values import Properties, merged

_POOL = "containerservice:AgentPool"


def make(store: Store, record: Record) -> None:
    """Make what Azure makes by itself: the group that a cluster's nodes lie in.

    A pool that is a resource of its own and stands in the cluster as well, as after a refresh, follows the cluster.
    """
    if record.resource_type != "containerservice:ManagedCluster":
        return
    for pool in record.inputs.get("agentPoolProfiles", ()):
        if beside := store.get(f"{record.id}/agentPools/{pool.get('name')}"):
            store.put(beside.model_copy(update={"outputs": merged(beside.outputs, pool)}))
    subscription = record.id.split("/")[2]
    arm_id = f"/subscriptions/{subscription}/resourceGroups/{record.outputs['nodeResourceGroup']}"
    if not store.get(arm_id):
        outputs = {"name": arm_ids.name_of(arm_id), "location": record.outputs["location"], "managedBy": record.id}
        store.put(
            Record(
                id=arm_id,
                resource_type="resources:ResourceGroup",
                state="Succeeded",
                outputs=outputs,
                made_by=record.id,
            )
        )


def as_read(store: Store, record: Record) -> Properties:
    """What Azure answers: a cluster shows pools that were made beside it, and a network its subnets.

    That is why a `pulumi refresh` of a cluster brings its separate pools into `agentPoolProfiles`.
    """
    if record.resource_type == "containerservice:ManagedCluster":
        beside = [r.outputs for r in store.all(_POOL) if arm_ids.below(r.id, record.id)]
        inline = record.outputs.get("agentPoolProfiles", [])
        return record.outputs | {"agentPoolProfiles": inline + beside}
    if record.resource_type == "network:VirtualNetwork":
        subnets = [r.outputs | {"id": r.id} for r in store.all("network:Subnet")]
        return record.outputs | {"subnets": subnets_of(record.id, record.outputs.get("subnets", []), subnets)}
    return record.outputs
