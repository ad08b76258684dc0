"""One write to the simulated cloud: what is asked for, and what is there."""

from __future__ import annotations

from dataclasses import dataclass

from rehearsal.providers.azure import arm_ids
from rehearsal.providers.azure.catalogue import Resource, catalogue
from rehearsal.providers.azure.store import Record, Store
from rehearsal.providers.azure.subscription import Subscription
from rehearsal.providers.azure.values import Properties


@dataclass(frozen=True)
class Request:
    """A creation or an update. `old` is the resource as it is now, None where it is to be created."""

    store: Store
    subscription: Subscription
    resource_type: str
    arm_id: str
    inputs: Properties
    old: Record | None

    @property
    def row(self) -> Resource:
        """The table's row of its type."""
        return catalogue()[self.resource_type]

    @property
    def name(self) -> str:
        """The resource's own name."""
        return arm_ids.name_of(self.arm_id)

    @property
    def parent(self) -> Record | None:
        """What it is a part of, as far as the cloud has it."""
        above = arm_ids.parent_of(self.arm_id)
        return self.store.get(above) if above else None

    @property
    def location(self) -> str:
        """Its region; a part is where its parent is."""
        own = self.inputs.get("location")
        if not isinstance(own, str):
            parent = self.parent
            own = (parent.outputs.get("location") if parent else None) or ""
        return str(own).replace(" ", "").lower()
