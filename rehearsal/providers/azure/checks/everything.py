"""What holds for every resource: parent, references and region exist, no lock is on it, nothing fixed changes."""

from __future__ import annotations

from rehearsal.providers.azure import arm_ids
from rehearsal.providers.azure.catalogue import catalogue
from rehearsal.providers.azure.difference import refused_changes
from rehearsal.providers.azure.errors import ArmError, bad_request, not_found, property_change
from rehearsal.providers.azure.failures import did_you_mean
from rehearsal.providers.azure.faults import Operation, scope_locked
from rehearsal.providers.azure.request import Request
from rehearsal.providers.azure.store import Record, Store

_LOCK = "authorization:ManagementLockByScope"


def check(request: Request) -> None:
    """Raise ArmError unless all of this holds."""
    _parent_exists(request)
    _region_exists(request)
    _references_exist(request)
    unlocked(request.store, "update" if request.old else "create", request.arm_id)
    if request.old:
        for path in refused_changes(request.row, request.old.inputs, request.inputs):
            raise property_change(path)


def unlocked(store: Store, operation: Operation, arm_id: str) -> None:
    """Raise ArmError while a management lock forbids the operation on the resource or on what it is in."""
    for lock in store.all(_LOCK):
        scope = lock.id.rpartition("/providers/")[0]
        forbidden = operation == "delete" or lock.inputs.get("level") == "ReadOnly"
        inside = arm_ids.same(arm_id, scope) or arm_ids.below(arm_id, scope)
        if forbidden and inside and not arm_ids.same(arm_id, lock.id):
            raise scope_locked(operation, arm_id, scope)


def _parent_exists(request: Request) -> None:
    group = arm_ids.group_of(request.arm_id)
    if group and not arm_ids.same(group, request.arm_id) and not request.store.get(group):
        name = arm_ids.name_of(group)
        raise not_found("ResourceGroupNotFound", f"Resource group '{name}' could not be found.")
    above = arm_ids.parent_of(request.arm_id)
    parent = request.store.get(above) if above else None
    if above and not parent:
        raise not_found(
            "ParentResourceNotFound",
            f"Failed to perform 'write' on resource '{request.name}', because the parent resource '{above}' could not "
            "be found.",
        )
    if parent and parent.state in ("Creating", "Updating") and arm_ids.is_part(request.arm_id):
        raise ArmError(
            409,
            "OperationNotAllowed",
            f"Operation is not allowed because there's an in progress {parent.state.lower()} operation on "
            f"'{parent.name}'. Please wait for it to finish before starting a new operation.",
        )


def _region_exists(request: Request) -> None:
    place = request.inputs.get("location")
    regions = request.subscription.regions
    if isinstance(place, str) and place.lower() != "global" and request.location not in regions:
        hint = did_you_mean(request.location, regions)
        raise bad_request(
            f"The provided location '{place}' is not available for resource '{request.name}'{hint or '.'}",
            "LocationNotAvailableForResourceType",
        )


def _references_exist(request: Request) -> None:
    """What is named by an id must be there, if it is of a type that the simulation knows."""
    for path, arm_id in arm_ids.references(request.inputs):
        if path in request.row.path_inputs or arm_ids.same(arm_id, request.arm_id):
            continue  # Its own scope: the parent's check has spoken of it.
        if not request.store.get(arm_id) and simulated(arm_id):
            raise not_found(
                "InvalidResourceReference",
                f"Resource {arm_id} referenced by resource {request.arm_id} (at {path}) was not found. Please make "
                "sure that the referenced resource exists, and that both resources are in the same region.",
            )


def simulated(arm_id: str) -> bool:
    """Whether the id is one of a type in the table."""
    head, _, tail = arm_id.rpartition("/providers/")
    segments = tail.split("/")
    kind = "/".join([segments[0], *segments[1::2]]) if head else "Microsoft.Resources/resourceGroups"
    return kind.lower() in {row.type_name.lower() for row in catalogue().values()}


def principals(store: Store) -> dict[str, Record]:
    """Who there is to give roles to: the object ids of all identities, by lower-case GUID."""
    found: dict[str, Record] = {}
    for record in store.all():
        for guid in _object_ids(record.outputs):
            found[guid.lower()] = record
    return found


def _object_ids(value: object) -> list[str]:
    if isinstance(value, list):
        return [guid for item in value for guid in _object_ids(item)]
    if not isinstance(value, dict):
        return []
    own = [v for k, v in value.items() if k in ("principalId", "objectId") and isinstance(v, str)]
    return own + [guid for item in value.values() for guid in _object_ids(item)]
