"""The parts around an AKS cluster as the stack file describes them: vault, registry, maintenance, what is kept."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from components.workload import Value

Guid = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
"""An id of Entra or Azure, in lower case."""

CertificateName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,127}$")]


class KeyVault(Value):
    """The vault that this stack makes for its secrets. Its public address is always closed.

    `name` is unique in the whole of Azure, so nobody can have a default. With `purge_protection`, a deleted vault can
    be restored for `soft_delete_days` and its name is taken as long.
    """

    name: str
    sku: Literal["standard", "premium"] = "standard"
    purge_protection: bool = True
    soft_delete_days: int = Field(90, ge=7, le=90)

    @field_validator("name")
    @classmethod
    def _is_a_vault_name(cls, name: str) -> str:
        if not re.fullmatch(r"[a-z](-?[a-z0-9]){2,23}", name) or len(name) > 24:
            raise ValueError(f"'{name}' is no name for a vault — 3 to 24 of a-z, 0-9 and single hyphens")
        return name


class Registry(Value):
    """The registry that this stack makes for the images its site builds, closed to the public.

    `name` is unique in the whole of Azure. Only the Premium tier has private addresses.
    """

    name: str = Field(pattern=r"^[a-z0-9]{5,50}$")


class Maintenance(Value):
    """When Azure may upgrade the cluster and its nodes: once a week, from `start` for `hours`."""

    day: Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"] = "Saturday"
    start: str = Field("02:00", pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")
    hours: int = Field(4, ge=4, le=24)
    utc_offset: str = Field("+00:00", pattern=r"^[+-](0[0-9]|1[0-4]):[0-5][0-9]$")


class Protect(Value):
    """What a teardown refuses to delete until it is asked by name. `data` are the disks of volumes."""

    cluster: bool = True
    vault: bool = True
    data: bool = True


class Retain(Value):
    """What an intended teardown leaves in Azure; the next deployment takes it over with `adopt`."""

    vault: bool = True
    data: bool = True
