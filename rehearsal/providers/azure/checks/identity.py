"""Federated credentials and role assignments beside those that exist."""

from __future__ import annotations

from rehearsal.providers.azure import arm_ids
from rehearsal.providers.azure.checks.everything import principals
from rehearsal.providers.azure.errors import bad_request, conflict
from rehearsal.providers.azure.request import Request

_MOST_CREDENTIALS = 20
"""Federated credentials of one identity: learn.microsoft.com/entra/workload-id/workload-identity-federation."""


def is_the_only_such_credential(request: Request) -> None:
    """One identity has at most 20 credentials, and no two for the same subject of the same issuer."""
    identity = arm_ids.parent_of(request.arm_id) or ""
    others = [
        record
        for record in request.store.all(request.resource_type)
        if arm_ids.below(record.id, identity) and not arm_ids.same(record.id, request.arm_id)
    ]
    if len(others) >= _MOST_CREDENTIALS:
        raise bad_request(f"Too many Federated Identity Credentials: an identity has at most {_MOST_CREDENTIALS}.")
    wanted = [request.inputs.get(name) for name in ("issuer", "subject")]
    if any([other.inputs.get(name) for name in ("issuer", "subject")] == wanted for other in others):
        raise conflict("Conflict", "Issuer and subject combination already exists for this Managed Identity.")


def names_a_principal(request: Request) -> None:
    """A service principal that gets a role is one that exists; people and groups are not simulated."""
    principal = str(request.inputs.get("principalId", "")).lower()
    if request.inputs.get("principalType") in ("User", "Group", "ForeignGroup"):
        return
    if principal not in principals(request.store) and principal != request.subscription.principal:
        raise bad_request(
            f"Principal {principal} does not exist in the directory {request.subscription.tenant}. Check that you have "
            "the correct principal ID. If you are creating this principal and then immediately assigning a role, this "
            "error might be related to a replication delay. In this case, set the role assignment principalType "
            "property to a value, such as ServicePrincipal, User, or Group.",
            "PrincipalNotFound",
        )


def is_the_only_such_assignment(request: Request) -> None:
    """The same role for the same principal at the same scope exists once."""
    scope = request.arm_id.rpartition("/providers/")[0]
    for other in request.store.all(request.resource_type):
        if arm_ids.same(other.id, request.arm_id) or not arm_ids.same(other.id.rpartition("/providers/")[0], scope):
            continue
        names = ("principalId", "roleDefinitionId")
        if [str(other.inputs.get(n)).lower() for n in names] == [str(request.inputs.get(n)).lower() for n in names]:
            raise conflict("RoleAssignmentExists", "The role assignment already exists.")
