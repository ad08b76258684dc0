"""What AKS refuses of node pools and clusters, by the stand-in's rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rehearsal.providers.azure.rules import rule_failures
from rehearsal.providers.azure.rules.pools import SPOT_TAINT
from rehearsal.providers.azure.values import UNKNOWN
from rehearsal.providers.azure.vm_sizes import sizes
from tests.unit.standin_azure_samples import SYSTEM_POOL, sample

pytestmark = pytest.mark.unit
CLUSTER, POOL = "containerservice:ManagedCluster", "containerservice:AgentPool"
SPOT = {"scaleSetPriority": "Spot", "scaleSetEvictionPolicy": "Delete", "spotMaxPrice": -1, "nodeTaints": [SPOT_TAINT]}
A100 = {"vmSize": "Standard_NC24ads_A100_v4"}


def reasons(resource_type: str, **changed: Any) -> dict[str, str]:
    return {f.path: f.reason for f in rule_failures(resource_type, sample(resource_type, **changed))}


@pytest.mark.parametrize(
    "changed",
    [
        {},
        SPOT,
        SPOT | {"nodeLabels": {"kubernetes.azure.com/scalesetpriority": "spot"}},
        A100 | {"gpuInstanceProfile": "MIG1g", "gpuProfile": {"driver": "Install"}},
        A100 | {"osDiskType": "Ephemeral", "osDiskSizeGB": 64},
        {"enableAutoScaling": False, "minCount": None, "maxCount": None, "count": 2},
        {"vmSize": UNKNOWN, "count": UNKNOWN, "osDiskType": UNKNOWN, "scaleSetPriority": UNKNOWN},
        {"enableAutoScaling": UNKNOWN},
        {"mode": "System", "count": 1, "minCount": 1},
    ],
)
def test_good_pools_are_let_through(changed: dict[str, Any]) -> None:
    assert reasons(POOL, **changed) == {}


@pytest.mark.parametrize(
    ("changed", "path", "words"),
    [
        ({"agentPoolName": "Gpu"}, "agentPoolName", "1 to 12 lower-case letters and digits"),
        ({"agentPoolName": "gpu-pool"}, "agentPoolName", "InvalidResourceName"),
        ({"agentPoolName": "thirteenchars"}, "agentPoolName", "InvalidResourceName"),
        ({"vmSize": None}, "vmSize", "needs a VM size"),
        ({"vmSize": "Standard_NC4as_T4_v4"}, "vmSize", "did you mean 'Standard_NC4as_T4_v3'?"),
        ({"vmSize": "Standard_NC6s_v3"}, "vmSize", "retired on 2025-09-30"),
        ({"minCount": None}, "minCount", "needs minCount"),
        ({"minCount": 3}, "minCount", "minCount 3 is above maxCount 2"),
        ({"count": 3}, "count", "count 3 is not between minCount 0 and maxCount 2"),
        ({"maxCount": 1001}, "maxCount", "not between 0 and 1000"),
        ({"enableAutoScaling": None}, "maxCount", "only for pools with enableAutoScaling"),
        ({"mode": "System"}, "minCount", "a system pool has at least one node"),
        ({"mode": "System", "osType": "Windows"}, "osType", "runs Linux"),
        (SPOT | {"mode": "System"}, "mode", "a spot pool cannot be a system pool"),
        (SPOT | {"scaleSetEvictionPolicy": None}, "scaleSetEvictionPolicy", "says Delete or Deallocate"),
        (SPOT | {"spotMaxPrice": 0}, "spotMaxPrice", "above zero"),
        (SPOT | {"upgradeSettings": {"maxSurge": "1"}}, "upgradeSettings.maxSurge", "Spot pools can't set maxSurge"),
        ({"spotMaxPrice": -1}, "spotMaxPrice", "only for pools whose scaleSetPriority is Spot"),
        ({"gpuInstanceProfile": "MIG1g"}, "gpuInstanceProfile", "A100, H100, H200"),
        ({"vmSize": "Standard_D4as_v5", "gpuProfile": {"driver": "None"}}, "gpuProfile", "has no GPU"),
        (A100 | {"osDiskType": "Ephemeral"}, "osDiskType", "cache size of 68719476736 bytes"),
        ({"vmSize": "Standard_D4as_v5", "osDiskType": "Ephemeral"}, "osDiskType", "VMCacheSizeTooSmall"),
        ({"nodeLabels": {"kubernetes.azure.com/mine": "1"}}, "nodeLabels", "reserved for the system"),
        ({"nodeLabels": {"mine": "-no-"}}, "nodeLabels", "no value of a label"),
        ({"nodeTaints": ["sku=gpu"]}, "nodeTaints[0]", "write key=value:NoSchedule"),
        ({"nodeTaints": ["sku=gpu:Never"]}, "nodeTaints[0]", "is no taint"),
        ({"tags": {"a<b": "1"}}, "tags", "InvalidTagNameCharacters"),
    ],
)
def test_a_pool_that_azure_would_refuse_is_refused_at_its_path(changed: dict[str, Any], path: str, words: str) -> None:
    assert words in reasons(POOL, **changed)[path]


def test_a_system_pool_needs_two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    # No size of the tables is that small, so one is made for this test.
    small = replace(sizes()["standard_d2as_v5"], vcpus=1)
    monkeypatch.setattr("rehearsal.providers.azure.rules.pools.size_of", lambda _: small)
    assert "at least 2 cores" in reasons(POOL, mode="System", count=1, minCount=1)["vmSize"]


@pytest.mark.parametrize(
    ("changed", "path", "words"),
    [
        ({"agentPoolProfiles": []}, "agentPoolProfiles", "at least one agent pool"),
        (
            {"agentPoolProfiles": [SYSTEM_POOL | {"mode": "User"}]},
            "agentPoolProfiles",
            "at least one system agent pool",
        ),
        ({"agentPoolProfiles": [SYSTEM_POOL, SYSTEM_POOL]}, "agentPoolProfiles", "'system' is used twice"),
        ({"agentPoolProfiles": [SYSTEM_POOL | {"minCount": 0}]}, "agentPoolProfiles[0].minCount", "at least one node"),
        ({"agentPoolProfiles": [SYSTEM_POOL | {"name": "Sys"}]}, "agentPoolProfiles[0].name", "InvalidResourceName"),
        ({"agentPoolProfiles": [SYSTEM_POOL | SPOT]}, "agentPoolProfiles[0].mode", "cannot be a system pool"),
        ({"resourceName": "-slm"}, "resourceName", "InvalidResourceName"),
        ({"aadProfile": None}, "disableLocalAccounts", "only for clusters with Microsoft Entra ID"),
        ({"aadProfile": {"enableAzureRBAC": True}}, "aadProfile.enableAzureRBAC", "managed aadProfile"),
        (
            {"apiServerAccessProfile": {"enablePrivateCluster": True, "authorizedIPRanges": ["203.0.113.0/24"]}},
            "apiServerAccessProfile.authorizedIPRanges",
            "no authorized IP ranges",
        ),
        ({"dnsPrefix": None}, "dnsPrefix", "needs a dnsPrefix"),
        ({"dnsPrefix": "a.b"}, "dnsPrefix", "no DNS prefix"),
        (
            {"oidcIssuerProfile": None, "securityProfile": {"workloadIdentity": {"enabled": True}}},
            "securityProfile.workloadIdentity.enabled",
            "needs the OIDC issuer",
        ),
        ({"identity": {"type": "UserAssigned"}}, "identity.userAssignedIdentities", "named by its id"),
        (
            {"identity": {"type": "SystemAssigned"}, "identityProfile": {"kubeletidentity": {"resourceId": "/x"}}},
            "identityProfile.kubeletidentity",
            "needs a user-assigned identity",
        ),
        (
            {"securityProfile": {"azureKeyVaultKms": {"enabled": True}}},
            "securityProfile.azureKeyVaultKms.keyId",
            "names its key",
        ),
        ({"networkProfile": {"podCidr": "10.0.128.0/17"}}, "networkProfile.podCidr", "overlaps the service CIDR"),
        (
            {"networkProfile": {"serviceCidr": "10.2.0.0/16"}},
            "networkProfile.dnsServiceIP",
            "is not in the service CIDR",
        ),
        ({"networkProfile": {"dnsServiceIP": "10.0.0.1"}}, "networkProfile.dnsServiceIP", "which Kubernetes takes"),
        ({"networkProfile": {"dnsServiceIP": "ten"}}, "networkProfile.dnsServiceIP", "no IPv4 address"),
        ({"networkProfile": {"serviceCidr": "10.0.0.0/8"}}, "networkProfile.serviceCidr", "larger than /12"),
        ({"networkProfile": {"serviceCidr": "10.0.0.1/16"}}, "networkProfile.serviceCidr", "no address range"),
        ({"networkProfile": {"networkPolicy": "cilium"}}, "networkProfile.networkPolicy", "needs the cilium dataplane"),
        ({"networkProfile": {"networkDataplane": "cilium"}}, "networkProfile.networkDataplane", "networkPlugin azure"),
        ({"addonProfiles": {"azurePolicy": {"enabled": True}}}, "addonProfiles.azurePolicy", "mean 'azurepolicy'?"),
        (
            {
                "addonProfiles": {
                    "azureKeyvaultSecretsProvider": {"enabled": True, "config": {"secretRotation": "true"}}
                }
            },
            "addonProfiles.azureKeyvaultSecretsProvider.config.secretRotation",
            "did you mean 'enableSecretRotation'?",
        ),
        ({"addonProfiles": {"omsagent": {"enabled": True}}}, "addonProfiles.omsagent.config", "logAnalyticsWorkspace"),
        ({"metricsProfile": {"costAnalysis": {"enabled": True}}}, "metricsProfile.costAnalysis.enabled", "Standard"),
        ({"nodeResourceGroup": "x" * 81}, "nodeResourceGroup", "at most 80 characters"),
    ],
)
def test_a_cluster_that_azure_would_refuse_is_refused_at_its_path(
    changed: dict[str, Any], path: str, words: str
) -> None:
    assert words in reasons(CLUSTER, **changed)[path]


@pytest.mark.parametrize(
    "changed",
    [
        {"networkProfile": UNKNOWN, "aadProfile": UNKNOWN, "agentPoolProfiles": UNKNOWN, "identity": UNKNOWN},
        {"agentPoolProfiles": [{"name": UNKNOWN, "mode": UNKNOWN, "vmSize": UNKNOWN}]},
        {"oidcIssuerProfile": UNKNOWN, "securityProfile": {"workloadIdentity": {"enabled": True}}},
        {"addonProfiles": UNKNOWN},
        {"networkProfile": {"serviceCidr": UNKNOWN, "podCidr": UNKNOWN, "networkDataplane": UNKNOWN}},
    ],
)
def test_rules_say_nothing_about_what_is_not_known_yet(changed: dict[str, Any]) -> None:
    assert reasons(CLUSTER, **changed) == {}


@pytest.mark.parametrize(
    ("window", "path", "words"),
    [
        (None, "maintenanceWindow", "needs a maintenanceWindow"),
        ({"durationHours": 3}, "maintenanceWindow.durationHours", "between 4 and 24"),
        ({"startTime": "2am"}, "maintenanceWindow.startTime", "no time of day"),
        ({"schedule": {}}, "maintenanceWindow.schedule", "exactly one"),
    ],
)
def test_a_maintenance_window_has_a_length_a_time_and_one_schedule(
    window: dict[str, Any] | None, path: str, words: str
) -> None:
    good = sample("containerservice:MaintenanceConfiguration")["maintenanceWindow"]
    changed = {"maintenanceWindow": window and good | window}
    assert words in reasons("containerservice:MaintenanceConfiguration", **changed)[path]
