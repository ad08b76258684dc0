"""What the makers of outputs are given."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from rehearsal.providers.azure import arm_ids
from rehearsal.providers.azure.catalogue import Resource
from rehearsal.providers.azure.request import Request
from rehearsal.providers.azure.store import Store
from rehearsal.providers.azure.subscription import Subscription
from rehearsal.providers.azure.values import Properties


@dataclass(frozen=True)
class Context:
    """A resource that is being written. `born` tells it from one of the same name that was there before."""

    request: Request
    born: str

    @property
    def resource_type(self) -> str:
        """Its type."""
        return self.request.resource_type

    @property
    def row(self) -> Resource:
        """The table's row of its type."""
        return self.request.row

    @property
    def id(self) -> str:
        """Its id."""
        return self.request.arm_id

    @property
    def name(self) -> str:
        """Its name."""
        return self.request.name

    @property
    def group(self) -> str:
        """The name of its resource group."""
        return arm_ids.name_of(arm_ids.group_of(self.id) or "")

    @property
    def inputs(self) -> Properties:
        """What it is asked to be."""
        return self.request.inputs

    @property
    def location(self) -> str:
        """Its region."""
        return self.request.location

    @property
    def store(self) -> Store:
        """Everything else that there is."""
        return self.request.store

    @property
    def subscription(self) -> Subscription:
        """Where it is."""
        return self.request.subscription

    def guid(self, what: str) -> str:
        """A GUID of its own, the same at every read."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{arm_ids.key(self.id)} {self.born} {what}"))

    def word(self, what: str, length: int = 8) -> str:
        """Letters and digits of its own, as Azure puts them into host names."""
        return self.guid(what).replace("-", "")[:length]

    def who(self, identity: str) -> Properties:
        """Who a user-assigned identity is."""
        found = self.store.get(identity)
        outputs = found.outputs if found else {}
        return {name: outputs[name] for name in ("clientId", "principalId") if name in outputs}
