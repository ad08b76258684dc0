"""What a teardown deletes, in which order, and what it leaves (controls 67 and 68) (pure)."""

from __future__ import annotations

from components.targets.aks.names import Names
from components.targets.spec import Aks

ORDER = (
    "what runs in the cluster, as far as it is not deleted with it",
    "node pools, maintenance windows, federated credentials",
    "the cluster, and with it its nodes, load balancers and everything in it",
    "role assignments, private addresses, registry, logs, identities",
    "subnets one after the other, network",
    "the resource group",
)
"""Pulumi deletes in the opposite order of the dependencies that the program declares; this is what that comes to."""


def protected(spec: Aks) -> list[str]:
    """Kinds that refuse to be deleted until they are unprotected, by the words of the stack file."""
    return [kind for kind in type(spec.protect).model_fields if getattr(spec.protect, kind)]


def stays(spec: Aks, stack: str) -> list[str]:
    """What is still there after a teardown, one sentence each, with what removes it for good."""
    names, found = Names(stack), []
    group = names.data_group
    if spec.vault and spec.retain.vault:
        found.append(f"key vault {spec.vault.name} with its secrets, in group {group} (az keyvault delete)")
    elif spec.vault:
        days = spec.vault.soft_delete_days
        how = "nothing does before" if spec.vault.purge_protection else f"az keyvault purge --name {spec.vault.name}"
        found.append(f"key vault {spec.vault.name}, deleted and restorable for {days} days, its name taken ({how})")
    if spec.retain.data:
        found.append(f"disks of volumes in group {group} (az disk list --resource-group {group})")
    if spec.retain.data or spec.retain.vault:
        found.append(f"resource group {group} (az group delete --name {group}, once nothing in it is wanted)")
    return found


def confirmed(typed: str, stack: str) -> bool:
    """Whether a person typed the stack's name, which is asked before a production stack is taken down."""
    return typed.strip() == stack
