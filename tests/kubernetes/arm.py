"""What is asked of Azure as a template of Azure Resource Manager, which is what public scanners read (pure)."""

from __future__ import annotations

from typing import Any

from tests.program.aks_recorder import AksRecorder

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
TYPES = {
    "containerregistry:Registry": "Microsoft.ContainerRegistry/registries",
    "containerservice:AgentPool": "Microsoft.ContainerService/managedClusters/agentPools",
    "containerservice:ManagedCluster": "Microsoft.ContainerService/managedClusters",
    "keyvault:Vault": "Microsoft.KeyVault/vaults",
    "network:NatGateway": "Microsoft.Network/natGateways",
    "network:PrivateEndpoint": "Microsoft.Network/privateEndpoints",
    "network:PublicIPAddress": "Microsoft.Network/publicIPAddresses",
    "network:Subnet": "Microsoft.Network/virtualNetworks/subnets",
    "network:VirtualNetwork": "Microsoft.Network/virtualNetworks",
    "operationalinsights:Workspace": "Microsoft.OperationalInsights/workspaces",
}
"""Of the kinds that a scanner knows anything about, Azure's own names."""

BESIDE = {"location", "tags", "identity", "sku", "zones", "kind"}
"""What stands beside `properties` in a template; Pulumi's inputs have both in one."""


def template(recorder: AksRecorder) -> dict[str, Any]:
    """The resources that were declared, by Azure's names of their kinds."""
    resources = []
    for name, inputs in recorder.inputs.items():
        kind = recorder.types[name].removeprefix("azure-native:")
        if kind in TYPES:
            inner = {key: value for key, value in inputs.items() if key not in BESIDE and not key.endswith("Name")}
            resources.append(
                {
                    "type": TYPES[kind],
                    "apiVersion": "2025-05-01",
                    "name": name,
                    **{key: value for key, value in inputs.items() if key in BESIDE},
                    "properties": inputs.get("properties") or inner,
                }
            )
    return {"$schema": SCHEMA, "contentVersion": "1.0.0.0", "resources": resources}
