"""Whether an identity was given a role that a deployment needs it to have."""

from __future__ import annotations

from rehearsal.providers.azure import arm_ids
from rehearsal.providers.azure.rules.identity import roles
from rehearsal.providers.azure.store import Store

_MAY_ASSIGN = ("Managed Identity Operator", "Contributor", "Owner")


def may_assign(store: Store, who: str, identity: str) -> bool:
    """Whether the identity `who` may give the identity `identity` to nodes."""
    holder = store.get(who)
    principal = str(holder.outputs.get("principalId", "")).lower() if holder else ""
    for assignment in store.all("authorization:RoleAssignment"):
        scope = assignment.id.rpartition("/providers/")[0]
        role = roles().get(arm_ids.name_of(str(assignment.inputs.get("roleDefinitionId", ""))).lower())
        reaches = arm_ids.same(identity, scope) or arm_ids.below(identity, scope)
        if reaches and role in _MAY_ASSIGN and str(assignment.inputs.get("principalId", "")).lower() == principal:
            return True
    return False
