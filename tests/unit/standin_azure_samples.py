"""Inputs of a small AKS stack as they go over the wire, for the tests of the azure-native stand-in."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from rehearsal.providers.azure.errors import ArmError
from rehearsal.providers.azure.manager import Manager
from rehearsal.providers.azure.provider import Provider
from rehearsal.providers.azure.schema_cache import schema
from rehearsal.providers.azure.subscription import Subscription

SUBSCRIPTION = Subscription.read().subscription
TENANT = Subscription.read().tenant
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/slm"
NETWORK = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/net"
SUBNET = f"{NETWORK}/subnets/nodes"
IDENTITY = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/slm"
CLUSTER = f"{GROUP}/providers/Microsoft.ContainerService/managedClusters/slm"
POOL = f"{CLUSTER}/agentPools/gpu"
VAULT = f"{GROUP}/providers/Microsoft.KeyVault/vaults/slm-vault"
ROLES = "/providers/Microsoft.Authorization/roleDefinitions"

SYSTEM_POOL = {
    "name": "system",
    "mode": "System",
    "vmSize": "Standard_D4as_v5",
    "enableAutoScaling": True,
    "count": 3,
    "minCount": 3,
    "maxCount": 5,
    "vnetSubnetID": SUBNET,
}

SAMPLES: dict[str, dict[str, Any]] = {
    "resources:ResourceGroup": {"resourceGroupName": "slm", "location": "westeurope"},
    "network:VirtualNetwork": {
        "virtualNetworkName": "net",
        "location": "westeurope",
        "addressSpace": {"addressPrefixes": ["10.1.0.0/16"]},
    },
    "network:Subnet": {"virtualNetworkName": "net", "subnetName": "nodes", "addressPrefix": "10.1.0.0/20"},
    "network:PublicIPAddress": {
        "publicIpAddressName": "out",
        "location": "westeurope",
        "sku": {"name": "Standard"},
        "publicIPAllocationMethod": "Static",
    },
    "managedidentity:UserAssignedIdentity": {"resourceName": "slm", "location": "westeurope"},
    "managedidentity:FederatedIdentityCredential": {
        "resourceName": "slm",
        "federatedIdentityCredentialResourceName": "chat",
        "issuer": "https://issuer.example/1/",
        "subject": "system:serviceaccount:slm:chat",
        "audiences": ["api://AzureADTokenExchange"],
    },
    "keyvault:Vault": {
        "vaultName": "slm-vault",
        "location": "westeurope",
        "properties": {
            "tenantId": TENANT,
            "sku": {"family": "A", "name": "standard"},
            "enableRbacAuthorization": True,
        },
    },
    "keyvault:Secret": {"vaultName": "slm-vault", "secretName": "key", "properties": {"value": "correct horse"}},
    "containerregistry:Registry": {"registryName": "slmimages", "location": "westeurope", "sku": {"name": "Standard"}},
    "operationalinsights:Workspace": {"workspaceName": "logs", "location": "westeurope", "sku": {"name": "PerGB2018"}},
    "containerservice:ManagedCluster": {
        "resourceName": "slm",
        "location": "westeurope",
        "dnsPrefix": "slm",
        "kubernetesVersion": "1.34",
        "identity": {"type": "UserAssigned", "userAssignedIdentities": [IDENTITY]},
        "aadProfile": {"managed": True, "enableAzureRBAC": True},
        "disableLocalAccounts": True,
        "oidcIssuerProfile": {"enabled": True},
        "agentPoolProfiles": [SYSTEM_POOL],
    },
    "containerservice:AgentPool": {
        "resourceName": "slm",
        "agentPoolName": "gpu",
        "mode": "User",
        "vmSize": "Standard_NC4as_T4_v3",
        "enableAutoScaling": True,
        "count": 0,
        "minCount": 0,
        "maxCount": 2,
        "vnetSubnetID": SUBNET,
        "nodeTaints": ["sku=gpu:NoSchedule"],
    },
    "containerservice:MaintenanceConfiguration": {
        "resourceName": "slm",
        "configName": "aksManagedAutoUpgradeSchedule",
        "maintenanceWindow": {
            "durationHours": 4,
            "startTime": "02:00",
            "schedule": {"weekly": {"dayOfWeek": "Sunday", "intervalWeeks": 1}},
        },
    },
    "consumption:Budget": {
        "scope": GROUP,
        "budgetName": "month",
        "amount": 500,
        "category": "Cost",
        "timeGrain": "Monthly",
        "timePeriod": {"startDate": "2026-11-01T00:00:00Z"},
    },
}


def sample(resource_type: str, **changed: Any) -> dict[str, Any]:
    """Good inputs of a resource of this type, with some of them changed."""
    inputs = deepcopy(SAMPLES[resource_type])
    if resource_type not in ("resources:ResourceGroup", "consumption:Budget", "authorization:RoleAssignment"):
        inputs["resourceGroupName"] = "slm"
    return {name: value for name, value in (inputs | changed).items() if value is not None}


def azure(directory: Path) -> Provider:
    """The stand-in over an empty Azure."""
    return Provider(Manager(directory, schema()))


def create(provider: Provider, resource_type: str, **changed: Any) -> tuple[str, dict[str, Any]]:
    """Make a sample resource; its id and outputs."""
    return provider.create(f"azure-native:{resource_type}", sample(resource_type, **changed))


def with_cluster(directory: Path) -> Provider:
    """The stand-in over an Azure with a group, a network, an identity and a cluster."""
    provider = azure(directory)
    for resource_type in (
        "resources:ResourceGroup",
        "network:VirtualNetwork",
        "network:Subnet",
        "managedidentity:UserAssignedIdentity",
        "containerservice:ManagedCluster",
    ):
        create(provider, resource_type)
    return provider


def update(provider: Provider, resource_type: str, arm_id: str, **changed: Any) -> dict[str, Any]:
    """Change a sample resource; its outputs."""
    return provider.update(f"azure-native:{resource_type}", arm_id, sample(resource_type, **changed))


def delete(provider: Provider, resource_type: str, arm_id: str) -> None:
    """Delete a resource."""
    provider.delete(f"azure-native:{resource_type}", arm_id)


def refused(code: str) -> Any:
    """Expect Azure to answer with this code."""
    return pytest.raises(ArmError, match=f'Code="{code}"')


def assign(provider: Provider, principal: str, role: str, scope: str, name: str = "1", **more: Any) -> None:
    """Give a role; `name` tells assignments apart."""
    inputs = {
        "scope": scope,
        "roleAssignmentName": f"a30feb59-a753-4a15-a99b-00000000000{name}",
        "principalId": principal,
        "roleDefinitionId": role,
    }
    provider.create("azure-native:authorization:RoleAssignment", inputs | more)
