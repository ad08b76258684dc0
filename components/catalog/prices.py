"""Prices of Azure as far as they are known, read once from TOML (pure). A price that is not known is absent."""

from __future__ import annotations

import tomllib
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from components.catalog.place import directory
from components.workload import Value

LIST_REGION = "eastus"
"""The region whose prices stand for the others' where only an order of sizes matters."""

UsdPerHour = Annotated[float, Field(ge=0)]


class Prices(Value):
    """US dollars for an hour: of a VM size by region, and of a cluster by its tier. `read` is when they were read."""

    read: date
    currency: Literal["USD"]
    tier: dict[str, UsdPerHour]
    vm: dict[str, dict[str, Annotated[float, Field(gt=0)]]]


def prices() -> Prices:
    """The prices of this version, read once. Raises ValueError naming the row that is wrong."""
    return _read(directory())


@cache
def _read(folder: Path) -> Prices:
    return Prices.model_validate(tomllib.loads((folder / "prices.toml").read_text()))
