"""An entry of `slm:adopt`: a resource that takes over what exists already (components/adopting.py)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from components.workload import Value

PropertyPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.\[\]\"*-]{0,199}$")]


class Adoption(Value):
    """A resource by its name in the program, and the provider's id of what is there.

    `ignore` are inputs that need not be the same, as paths; they stay as they are.
    """

    resource: str = Field(min_length=1, max_length=200)
    id: str = Field(min_length=1, max_length=1000)
    ignore: tuple[PropertyPath, ...] = ()
