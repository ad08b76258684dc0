"""Faults put in by a file, `faults.toml` in the state directory: what Azure does to people on a bad day.

    [[fault]]
    type = "containerservice:AgentPool"   # a pattern; every type without it
    name = "gpu*"                         # a pattern of the resource's name; every name without it
    operation = "create"                  # create, update, delete or read; every one of them without it
    fault = "quota_exceeded"
    times = 1                             # how often; without it, always
    seconds = 20                          # for slow

The file is read anew at every operation, so it may be changed while a deployment runs.
"""

from __future__ import annotations

import json
import tomllib
from contextlib import suppress
from fnmatch import fnmatch
from typing import Literal

from pydantic import Field, ValidationError

from components.workload import Value
from rehearsal.providers.azure import arm_ids
from rehearsal.providers.azure.errors import ArmError
from rehearsal.providers.azure.store import Store, write_json

FILE = "faults.toml"
_COUNTS = "faults.counts.json"

Operation = Literal["create", "update", "delete", "read"]
Kind = Literal[
    "quota_exceeded", "sku_not_available", "conflict", "throttled", "token_expired", "locked", "slow", "half_done"
]


class Fault(Value):
    """One row of the file."""

    type: str = "*"
    name: str = "*"
    operation: Operation | Literal["*"] = "*"
    fault: Kind
    times: int | None = Field(None, ge=1)
    seconds: float = Field(5, ge=0, le=3600)

    def meets(self, operation: Operation, resource_type: str, arm_id: str) -> bool:
        """Whether it is about this operation on this resource."""
        fits = fnmatch(resource_type, self.type) and fnmatch(arm_ids.name_of(arm_id), self.name)
        return fits and self.operation in ("*", operation)


class Faults(Value):
    """The whole file."""

    fault: tuple[Fault, ...] = ()


def due(store: Store, operation: Operation, resource_type: str, arm_id: str) -> Fault | None:
    """The first fault for this operation that has not happened often enough; it is counted as happened.

    Raises ArmError when the file itself is wrong, since a rehearsal without its faults would prove nothing. The
    caller holds the store's lock.
    """
    file = store.directory / FILE
    if not file.exists():
        return None
    try:
        faults = Faults.model_validate(tomllib.loads(file.read_text()))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ArmError(500, "FaultsFileInvalid", f"{file}: {' '.join(str(error).split())}") from None
    counts: dict[str, int] = {}
    with suppress(OSError, ValueError):
        counts = json.loads((store.directory / _COUNTS).read_text())
    for fault in faults.fault:
        # Counted by what it says: a row that is moved or joined by others goes on where it was.
        row = fault.model_dump_json()
        if fault.meets(operation, resource_type, arm_id) and (fault.times is None or counts.get(row, 0) < fault.times):
            write_json(store.directory / _COUNTS, counts | {row: counts.get(row, 0) + 1})
            return fault
    return None


def refusal(fault: Fault, operation: Operation, arm_id: str) -> ArmError | None:
    """The answer that a fault is, None for faults that are not an answer (slow, half_done)."""
    name = arm_ids.name_of(arm_id)
    match fault.fault:
        case "quota_exceeded":
            return ArmError(
                400,
                "QuotaExceeded",
                f"Operation could not be completed as it results in exceeding approved quota for '{name}'. "
                "Submit a request for Quota increase at https://aka.ms/quota or use less",
            )
        case "sku_not_available":
            return ArmError(
                409,
                "SkuNotAvailable",
                f"The requested size for resource '{arm_id}' is currently not available in this location. "
                "Please try another size or deploy to a different location or different zone. "
                "See https://aka.ms/azureskunotavailable for details.",
            )
        case "conflict":
            return ArmError(
                409,
                "OperationNotAllowed",
                f"Another operation on '{name}' is in progress; wait for it to finish before starting a new one.",
            )
        case "throttled":
            # azure-native itself tries three more times, 20, 60 and 120 seconds later; here it gives up at once.
            return ArmError(
                429,
                "TooManyRequests",
                "The request is being throttled as the limit of operations has been reached. Retry after 60 seconds.",
            )
        case "token_expired":
            return ArmError(
                401,
                "ExpiredAuthenticationToken",
                "The access token expiry UTC time is earlier than current UTC time. Log in again: az login",
            )
        case "locked":
            return scope_locked(operation, arm_id, arm_id)
    return None


def scope_locked(operation: Operation, arm_id: str, scope: str) -> ArmError:
    """The answer while a management lock lies on the resource or on what it is in."""
    return ArmError(
        409,
        "ScopeLocked",
        f"The scope '{arm_id}' cannot perform {'delete' if operation == 'delete' else 'write'} operation because "
        f"following scope(s) are locked: '{scope}'. Please remove the lock and try again.",
    )
