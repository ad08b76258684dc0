"""Small AKS descriptions that tests change in one place."""

from __future__ import annotations

from typing import Any

from components.targets.spec import Aks

GROUP = "11111111-2222-3333-4444-555555555555"
T4 = "Standard_NC4as_T4_v3"
A100 = "Standard_NC24ads_A100_v4"
SYSTEM = {"mode": "system", "vm_size": "Standard_D4ads_v5", "min_nodes": 2, "max_nodes": 3}
GENERAL = {"vm_size": "Standard_D4as_v5", "min_nodes": 2, "max_nodes": 4}
GPU = {"vm_size": T4, "gpus": 1, "max_nodes": 2}


def pools(**more: dict[str, Any]) -> dict[str, Any]:
    """A system pool, one for the gateway, one with GPUs, and what is added or replaced."""
    return {"system": SYSTEM, "general": GENERAL, "gpu": GPU, **more}


def aks(**fields: Any) -> Aks:
    """A cluster that may be in production, with changed fields."""
    whole = {
        "location": "westeurope",
        "admin_group_ids": (GROUP,),
        "vault": {"name": "slm-test-vault"},
        "registry": {"name": "slmtestregistry"},
        "pools": pools(),
    }
    return Aks.model_validate({**whole, **fields})
