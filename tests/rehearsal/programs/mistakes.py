"""Inputs that the SDK takes without a word."""

from pulumi_azure_native import containerservice as aks

common = {"resource_group_name": "slm", "resource_name_": "slm", "vm_size": "Standard_NC4as_T4_v3", "mode": "User"}
aks.AgentPool("type", agent_pool_name="one", **{**common, "count": "abc"})
aks.AgentPool("key", agent_pool_name="two", gpu_profile={"drvier": "Install"}, **common)
aks.AgentPool("value", agent_pool_name="three", os_sku="Ubunut", **common)
aks.AgentPool("name", agent_pool_name="much-too-long-a-name", **common)
aks.AgentPool("size", agent_pool_name="five", **{**common, "vm_size": "Standard_NC4as_T4_v4"})
aks.AgentPool("spot", agent_pool_name="six", scale_set_priority="Spot", **{**common, "mode": "System"})
