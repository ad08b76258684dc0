"""What a stack's state holds, read without any key: secrets in it stay encrypted (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ops.recovery import KINDS

PROVIDER = "pulumi:providers:"
STACK = "pulumi:pulumi:Stack"
DOCKER = "docker:"
KUBERNETES = "kubernetes:"


@dataclass(frozen=True)
class Item:
    """A resource that exists outside of the state. `name` is its name there, as far as the state knows."""

    urn: str
    type: str
    name: str
    namespace: str = ""
    protected: bool = False

    @property
    def words(self) -> str:
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{KINDS.get(self.type, self.type).removesuffix('s')} {self.name}{where}"


@dataclass(frozen=True)
class Contents:
    """`items` are real things, `pending` those of operations whose outcome nobody knows. `hosts` are the addresses of
    Docker engines; `by` is the Pulumi that wrote it."""

    items: tuple[Item, ...] = ()
    pending: tuple[Item, ...] = ()
    hosts: tuple[str, ...] = ()
    resources: int = 0
    by: str = ""

    @property
    def protected(self) -> tuple[Item, ...]:
        return tuple(item for item in self.items if item.protected)

    @property
    def docker_only(self) -> bool:
        """Whether all that is left is what one Docker engine shows by its label."""
        return all(item.type in KINDS for item in self.items)

    @property
    def has_docker(self) -> bool:
        return any(item.type in KINDS for item in (*self.items, *self.pending))

    @property
    def remote(self) -> bool:
        """Whether a Docker engine of it is on another machine."""
        return any(host.startswith(("ssh://", "tcp://")) for host in self.hosts)


def contents(deployment: Mapping[str, Any]) -> Contents:
    """What `pulumi stack export` gives as `deployment`."""
    rows = [row for row in deployment.get("resources") or () if isinstance(row, Mapping)]
    pending = [row.get("resource") or {} for row in deployment.get("pending_operations") or ()]
    engines = [row for row in rows if row.get("type") == f"{PROVIDER}docker"]
    hosts = [str((row.get("inputs") or {}).get("host") or "") for row in engines]
    real = [row for row in rows if row.get("custom") and not str(row.get("type", "")).startswith(PROVIDER)]
    return Contents(
        items=tuple(_item(row) for row in real),
        pending=tuple(_item(row) for row in pending),
        hosts=tuple(host for host in hosts if host),
        resources=len(rows),
        by=str((deployment.get("manifest") or {}).get("version") or ""),
    )


def _item(row: Mapping[str, Any]) -> Item:
    inputs = row.get("inputs") or {}
    metadata = inputs.get("metadata") if isinstance(inputs.get("metadata"), Mapping) else {}
    urn = str(row.get("urn", ""))
    given = inputs.get("name") or (metadata or {}).get("name") or row.get("id") or urn.rpartition("::")[2]
    return Item(
        urn=urn,
        type=str(row.get("type", "")),
        name=given if isinstance(given, str) else urn.rpartition("::")[2],
        namespace=str((metadata or {}).get("namespace") or ""),
        protected=bool(row.get("protect")),
    )
