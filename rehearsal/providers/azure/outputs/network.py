"""Outputs of networks and addresses."""

from __future__ import annotations

from rehearsal.providers.azure import arm_ids
from rehearsal.providers.azure.outputs.context import Context
from rehearsal.providers.azure.values import Properties


def virtual_network(context: Context) -> Properties:
    """A network answers the subnets it has, also those that are resources of their own."""
    inline = [
        {**subnet, "id": f"{context.id}/subnets/{subnet['name']}", "provisioningState": "Succeeded"}
        for subnet in context.inputs.get("subnets", ())
    ]
    return {"subnets": inline, "enableDdosProtection": context.inputs.get("enableDdosProtection", False)}


def subnets_of(context_id: str, inline: list[Properties], all_subnets: list[Properties]) -> list[Properties]:
    """The inline subnets of a network, and those that were made beside it."""
    names = {subnet.get("name") for subnet in inline}
    return inline + [s for s in all_subnets if arm_ids.below(str(s["id"]), context_id) and s["name"] not in names]


def public_address(context: Context) -> Properties:
    """An address of the range that documents use (203.0.113.0/24)."""
    return {
        "ipAddress": f"203.0.113.{1 + int(context.word('address'), 16) % 254}",
        "publicIPAddressVersion": context.inputs.get("publicIPAddressVersion", "IPv4"),
        "idleTimeoutInMinutes": context.inputs.get("idleTimeoutInMinutes", 4),
    }


def private_endpoint(context: Context) -> Properties:
    """The interface that comes with an endpoint."""
    name = f"{context.name}.nic.{context.guid('nic')}"
    group = arm_ids.group_of(context.id)
    return {"networkInterfaces": [{"id": f"{group}/providers/Microsoft.Network/networkInterfaces/{name}"}]}
