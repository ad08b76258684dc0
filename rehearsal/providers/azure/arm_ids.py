"""Ids of Azure resources: paths whose letters' case does not matter (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_ID = re.compile(r"^/subscriptions/[0-9a-f-]{36}(/resourcegroups/[^/]+)?(/providers/.+)?$", re.IGNORECASE)
_NETWORKS = "/providers/microsoft.network/virtualnetworks/"


def same(one: str, other: str) -> bool:
    """Whether both name one resource."""
    return key(one) == key(other)


def key(arm_id: str) -> str:
    """The id in the one spelling under which it is looked up."""
    return arm_id.rstrip("/").lower()


def name_of(arm_id: str) -> str:
    """Its last segment."""
    return arm_id.rstrip("/").rpartition("/")[2]


def is_id(value: object) -> bool:
    """Whether a text is the id of a resource or a resource group."""
    return isinstance(value, str) and bool(_ID.match(value)) and "/resourcegroups/" in value.lower()


def below(arm_id: str, ancestor: str) -> bool:
    """Whether the one lies inside the other: a child, an extension, or anything of a resource group."""
    return key(arm_id).startswith(key(ancestor) + "/")


def group_of(arm_id: str) -> str | None:
    """The id of the resource group it lies in; None for what lies in none, such as a role of a subscription."""
    found = re.match(r"(/subscriptions/[^/]+/resourcegroups/[^/]+)(/|$)", arm_id, re.IGNORECASE)
    return found.group(1) if found else None


def parent_of(arm_id: str) -> str | None:
    """What must exist before it: the resource it is a part or an extension of, or its group. None for a group."""
    head, _, tail = arm_id.rstrip("/").rpartition("/providers/")
    if not head:
        return None
    if is_part(arm_id):
        return f"{head}/providers/{'/'.join(tail.split('/')[:-2])}"
    return head if is_id(head) else None


def is_part(arm_id: str) -> bool:
    """Whether it is a part of another resource, as a subnet is of a network."""
    return len(arm_id.rstrip("/").rpartition("/providers/")[2].split("/")) > 3


def network_of(subnet_id: str) -> str:
    """The virtual network a subnet's id names."""
    return subnet_id.rpartition("/subnets/")[0]


def is_subnet(arm_id: str) -> bool:
    """Whether the id names a subnet."""
    return _NETWORKS in arm_id.lower() and "/subnets/" in arm_id.lower()


def references(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every id in a value, each with the path it stands at."""
    if is_id(value):
        yield path, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            if is_id(name):
                yield path, name
            yield from references(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from references(item, f"{path}[{index}]")
