"""What a teardown refuses, asks and leaves (controls 67 and 68) (pure)."""

from __future__ import annotations

from components.targets.aks.names import Names
from components.targets.spec import Aks


def protected(spec: Aks) -> list[str]:
    """Kinds that refuse to be deleted until they are unprotected, by the words of the stack file."""
    return [kind for kind in type(spec.protect).model_fields if getattr(spec.protect, kind)]


def stays(spec: Aks, stack: str) -> list[str]:
    """What is still there after a teardown, one sentence each, with what removes it for good."""
    names, found = Names(stack), []
    group = names.data_group
    if spec.vault and spec.retain.vault:
        again = "adopt: true takes it over, az keyvault delete removes it"
        found.append(f"key vault {spec.vault.name} with its secrets, in group {group} ({again})")
    elif spec.vault:
        days = spec.vault.soft_delete_days
        purge = f"az keyvault purge --name {spec.vault.name}"
        how = "nothing removes it before" if spec.vault.purge_protection else purge
        found.append(f"key vault {spec.vault.name}, deleted and restorable for {days} days, its name taken ({how})")
    if spec.retain.data:
        found.append(f"disks of volumes in group {group} (az disk list --resource-group {group})")
    if spec.retain.data or spec.retain.vault:
        found.append(f"resource group {group} (az group delete --name {group}, once nothing in it is wanted)")
    return found
