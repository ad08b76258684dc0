"""What a review stack says of itself: whose it is, which pull request it belongs to, and when its time is over."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from components.workload import Name, Value

LONGEST = timedelta(days=31)
"""No review stack may live longer: whoever needs one for a month writes a description of his own."""

OWNER = r"^[A-Za-z0-9]([A-Za-z0-9-]{0,37}[A-Za-z0-9])?(\[bot\])?$"
HOST = r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$"


def _moment(value: Any) -> Any:
    if isinstance(value, datetime):
        return value
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError("not a time — write it as 2026-12-31T12:00:00+00:00") from None
    if found.tzinfo is None:
        raise ValueError("a time without its zone means another moment elsewhere — write +00:00 after it")
    return found.astimezone(UTC)


Moment = Annotated[datetime, BeforeValidator(_moment)]


class Review(Value):
    """A stack that exists for one pull request and is removed when that is closed or `expires` is reached.

    `make review` writes it down; nobody writes it by hand. `base` is the stack whose description it was made from.
    `host` is the machine whose own Docker engine runs it: only there it can be removed. It is absent where any machine
    can, on clusters and hosts over SSH. Times are UTC.
    """

    owner: Annotated[str, StringConstraints(pattern=OWNER)]
    pull_request: int = Field(ge=1, le=10**9)
    created: Moment
    expires: Moment
    base: Name = "dev"
    host: Annotated[str, StringConstraints(pattern=HOST)] | None = None

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.expires <= self.created:
            raise ValueError("expires is not after created — give it some hours")
        return self

    def told(self) -> dict[str, str | int]:
        """As configuration and tags hold it: plain words, times in ISO 8601."""
        found: dict[str, str | int] = self.model_dump(mode="json", exclude_none=True)
        return found | {"created": iso(self.created), "expires": iso(self.expires)}


def iso(moment: datetime) -> str:
    """A moment to the second, in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def stack_of(pull_request: int) -> str:
    """The name of a pull request's review stack."""
    return f"pr-{pull_request}"


def pull_request_of(stack: str) -> int | None:
    """The pull request whose review stack has this name; None for the name of another stack."""
    found = re.fullmatch(r"pr-([1-9][0-9]{0,9})", stack)
    return int(found.group(1)) if found else None
