"""Inputs that the SDK takes without a word: wrong types and names, or what Azure would refuse."""

import json
from pathlib import Path

from pulumi_azure_native import containerservice as aks

mistakes = {
    "shapes": {"agent_pool_name": "gpu", "count": "abc", "gpu_profile": {"drvier": "Install"}, "os_sku": "Ubunut"},
    "rules": {"agent_pool_name": "a-long-pool-name", "scale_set_priority": "Spot", "mode": "System"},
}
chosen = mistakes[json.loads(Path("knobs.json").read_text())["mistakes"]]
aks.AgentPool("pool", resource_group_name="slm", resource_name_="slm", vm_size="Standard_NC4as_T4_v4", **chosen)
