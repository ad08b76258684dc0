"""What the AKS target must know of Azure itself: roles, regions, retired sizes, images of node agents (pure)."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field

from components.catalog.place import directory
from components.models import Sha256
from components.workload import Image, Value

_ID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


class Role(Value):
    """A built-in role: its name for people, its id for role assignments, and why this project assigns it."""

    name: str
    id: str = Field(pattern=_ID)
    why: str


class Retired(Value):
    """VM sizes that are refused: the form of their names, why, and what to use instead."""

    pattern: str
    reason: str
    instead: str


class NodeAgent(Value):
    """The image of a program that runs on every node of a kind."""

    purpose: str
    repository: str = Field(pattern=r"^[a-z0-9][a-z0-9._/-]*$")
    tag: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")
    digest: Sha256
    source: str

    @property
    def pinned(self) -> Image:
        """`repository:tag@sha256:…`."""
        return f"{self.repository}:{self.tag}@sha256:{self.digest}"


class Azure(Value):
    """Everything above, by its names. `zones` are regions with availability zones, `no_zones` those without."""

    roles: dict[str, Role]
    retired: tuple[Retired, ...]
    node_agents: dict[str, NodeAgent]
    zones: frozenset[str]
    no_zones: frozenset[str]

    @property
    def regions(self) -> frozenset[str]:
        """Every region that is known."""
        return self.zones | self.no_zones

    def retired_size(self, vm_size: str) -> Retired | None:
        """Why a VM size is refused, or None."""
        return next((row for row in self.retired if re.fullmatch(row.pattern, vm_size)), None)


def azure() -> Azure:
    """What is known, read once. Raises ValueError naming the row that is wrong."""
    return _read(directory())


@cache
def _read(folder: Path) -> Azure:
    regions = _table(folder, "regions")
    return Azure.model_validate(
        {
            "roles": _table(folder, "azure_roles"),
            "retired": _table(folder, "vm_sizes_retired")["retired"],
            "node_agents": _table(folder, "node_agents"),
            "zones": regions["zones"],
            "no_zones": regions["no_zones"],
        }
    )


def _table(folder: Path, name: str) -> dict[str, Any]:
    return tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))
