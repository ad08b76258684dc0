"""What a stack's file allows although it is not the rule: written down with a reason, and until a day."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints, ValidationInfo, field_validator

from components.workload import Value

LAST_CONTROL = 72
"""Controls are numbered 1 to this in docs/security.md."""

Registry = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$")]


def _day(value: Any) -> Any:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError("not a date — write it as 2026-12-31") from None


Day = Annotated[date, BeforeValidator(_day)]


def _not_over(expires: date, info: ValidationInfo, which: str, instead: str) -> date:
    today = (info.context or {}).get("today") or date.today()
    if expires < today:
        raise ValueError(f"{which} expired {expires} — {instead}, or decide a new date")
    return expires


class SecurityException(Value):
    """A control that does not hold for one resource, why, and until when. An expired one is an error."""

    control: int = Field(ge=1, le=LAST_CONTROL)
    resource: str = Field(min_length=1, max_length=200)
    reason: str = Field(min_length=10, max_length=500)
    expires: Day

    @field_validator("expires")
    @classmethod
    def _lasts(cls, expires: date, info: ValidationInfo) -> date:
        which = f"exception for control {info.data.get('control')} on '{info.data.get('resource')}'"
        return _not_over(expires, info, which, "remove it and meet the control")


class Allowance(Value):
    """One protected resource that this change replaces or deletes, named as `make preview` names it, why, until when.

    It is taken out when that is done: one that nothing needs is refused as well as an expired one.
    """

    resource: str = Field(min_length=1, max_length=200)
    reason: str = Field(min_length=10, max_length=500)
    expires: Day

    @field_validator("expires")
    @classmethod
    def _lasts(cls, expires: date, info: ValidationInfo) -> date:
        return _not_over(expires, info, f"permission to replace '{info.data.get('resource')}'", "remove it")


class Security(Value):
    """What deviates from the hardened default, written down: exceptions, and the registries images may come from."""

    exceptions: tuple[SecurityException, ...] = ()
    allow_registries: tuple[Registry, ...] = ("docker.io",)
