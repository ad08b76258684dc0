"""Names that are taken in all of Azure, and names that are taken by what was deleted."""

from __future__ import annotations

from rehearsal.providers.azure import arm_ids
from rehearsal.providers.azure.errors import bad_request, conflict
from rehearsal.providers.azure.request import Request
from rehearsal.providers.azure.values import at


def name_is_free(request: Request) -> None:
    """No other vault has the name, and no deleted one that was not purged."""
    if request.old:
        return
    for record in request.store.soft_deleted():
        if record.resource_type == request.resource_type and record.name.lower() == request.name.lower():
            raise conflict(
                "ConflictError",
                "A vault with the same name already exists in deleted state. You need to either recover or purge "
                "existing key vault. Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more "
                "information on soft delete.",
            )
    if any(vault.name.lower() == request.name.lower() for vault in request.store.all(request.resource_type)):
        raise conflict("VaultAlreadyExists", f"The vault name '{request.name}' is already in use.")


def keeps_its_protection(request: Request) -> None:
    """Days of retention are fixed once they are set."""
    if not request.old:
        return
    path = "properties.softDeleteRetentionInDays"
    new, old = at(request.inputs, path), at(request.old.outputs, path)
    if new is not None and old is not None and new != old:
        raise bad_request(
            f'The property "softDeleteRetentionInDays" has been set already and it can\'t be modified: {old} to {new}.'
        )


def secret_is_not_deleted(request: Request) -> None:
    """A deleted secret keeps its name until it is purged, or its vault is."""
    if request.old:
        return
    if any(arm_ids.same(record.id, request.arm_id) for record in request.store.soft_deleted()):
        raise conflict(
            "Conflict",
            f"Secret {request.name} is currently in a deleted but recoverable state, and its name cannot be reused; in "
            "this state, the secret can only be recovered or purged.",
        )


def registry_name_is_free(request: Request) -> None:
    """A registry's name is a host name, so all of Azure has it once."""
    others = [r for r in request.store.all(request.resource_type) if not arm_ids.same(r.id, request.arm_id)]
    if any(registry.name.lower() == request.name.lower() for registry in others):
        raise conflict("AlreadyInUse", f"The registry DNS name {request.name}.azurecr.io is already in use.")
