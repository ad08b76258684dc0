"""The simulated Azure as a person at its portal sees it: what there is, and changes behind Pulumi's back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rehearsal.providers.azure import arm_ids, companions, deletion, pools_file
from rehearsal.providers.azure.store import Record, Store
from rehearsal.providers.azure.values import Properties, at, merged

_LOCK = "authorization:ManagementLockByScope"


class Cloud:
    """The cloud of one state directory."""

    def __init__(self, directory: Path) -> None:
        self.store = Store(directory)

    def resources(self, resource_type: str | None = None) -> list[Record]:
        """Everything that exists, or everything of one type (`containerservice:AgentPool`)."""
        return self.store.all(resource_type)

    def find(self, resource_type: str, name: str) -> Record:
        """The one resource of a type and name. Raises LookupError unless there is exactly one."""
        found = [r for r in self.resources(resource_type) if r.name.lower() == name.lower()]
        if len(found) != 1:
            raise LookupError(f"{len(found)} resources of type {resource_type} named {name}")
        return found[0]

    def soft_deleted(self) -> list[Record]:
        """Vaults and secrets that were deleted, whose names stay taken until they are purged."""
        return self.store.soft_deleted()

    def read(self, arm_id: str) -> Properties:
        """What Azure answers about a resource. Raises LookupError when it is gone."""
        return companions.as_read(self.store, self._get(arm_id))

    def pools(self) -> Any:
        """The content of pools.json."""
        return json.loads((self.store.directory / pools_file.FILE).read_text())

    def change(self, arm_id: str, properties: Properties) -> None:
        """Lay these properties over a resource's, as somebody at the portal would."""
        with self.store.lock():
            record = self._get(arm_id)
            self.store.put(record.model_copy(update={"outputs": merged(record.outputs, properties)}))
            pools_file.write(self.store)

    def set_node_count(self, pool_id: str, count: int) -> None:
        """What the autoscaler does to a pool, in the cluster or beside it."""
        with self.store.lock():
            record = self.store.get(pool_id)
            if record:
                self.store.put(record.model_copy(update={"outputs": record.outputs | {"count": count}}))
            else:
                cluster, name = self._get(pool_id.rpartition("/agentPools/")[0]), arm_ids.name_of(pool_id)
                pools = [p | {"count": count} if p["name"] == name else p for p in cluster.outputs["agentPoolProfiles"]]
                self.store.put(cluster.model_copy(update={"outputs": cluster.outputs | {"agentPoolProfiles": pools}}))
            pools_file.write(self.store)

    def delete(self, arm_id: str) -> None:
        """Delete a resource, asking nobody."""
        with self.store.lock():
            deletion.delete(self.store, arm_id)
            pools_file.write(self.store)

    def lock(self, scope: str, name: str = "held", level: str = "CanNotDelete") -> str:
        """Put a management lock on a resource or group; the lock's id, which `delete` takes away."""
        arm_id = f"{scope}/providers/Microsoft.Authorization/locks/{name}"
        inputs = {"scope": scope, "lockName": name, "level": level}
        with self.store.lock():
            self.store.put(Record(id=arm_id, resource_type=_LOCK, state="Succeeded", inputs=inputs, outputs=inputs))
        return arm_id

    def purge(self, arm_id: str) -> None:
        """Free the name of a deleted vault or secret. Raises PermissionError while purge protection forbids it."""
        found = next((r for r in self.soft_deleted() if arm_ids.same(r.id, arm_id)), None)
        if found and at(found.inputs, "properties.enablePurgeProtection"):
            raise PermissionError(f"{found.name}: purge protection keeps it until its days of retention are over")
        self.store.purge(arm_id)

    def _get(self, arm_id: str) -> Record:
        record = self.store.get(arm_id)
        if record is None:
            raise LookupError(f"nothing of the id {arm_id}")
        return record
