"""The cluster, its network, its nodes and what watches it, as Azure is asked for them: controls 54 to 61."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.program.aks_declared import (
    TABLE,
    WATCHED,
    Declare,
    cluster,
    nodes,
    options,
    roles,
    workload,
)
from tests.program.aks_recorder import OnStandIn
from tests.unit.aks_samples import A100, GPU, GROUP, aks, pools
from tests.unit.standin_azure_samples import azure

pytestmark = pytest.mark.program


def test_control_55_the_api_server_is_private_and_runs_no_commands(declare: Declare) -> None:
    inputs = cluster(declare())
    profile = inputs["apiServerAccessProfile"]
    assert profile["enablePrivateCluster"] is True
    assert profile["enablePrivateClusterPublicFQDN"] is False
    assert profile["disableRunCommand"] is True
    assert profile["enableVnetIntegration"] is True
    assert inputs["publicNetworkAccess"] == "Disabled"
    assert "authorizedIPRanges" not in profile


def test_control_55_a_public_api_server_has_ranges_and_the_nodes_own_address(declare: Declare) -> None:
    spec = aks(private=False, authorized_ranges=("198.51.100.0/24",), vnet_integration=False)
    inputs = cluster(declare(spec))
    profile = inputs["apiServerAccessProfile"]
    assert profile["authorizedIPRanges"] == ["198.51.100.0/24", "203.0.113.10/32"]
    assert (profile["enablePrivateCluster"], profile["disableRunCommand"]) == (False, True)
    assert inputs["publicNetworkAccess"] == "Enabled"
    inside = cluster(declare(spec.model_copy(update={"vnet_integration": True})))["apiServerAccessProfile"]
    assert inside["authorizedIPRanges"] == ["198.51.100.0/24"]


def test_control_56_only_entra_opens_the_cluster(declare: Declare) -> None:
    inputs = cluster(declare())
    assert inputs["disableLocalAccounts"] is True
    assert inputs["enableRBAC"] is True
    assert inputs["aadProfile"] == {"managed": True, "enableAzureRBAC": True, "adminGroupObjectIDs": [GROUP]}


def test_control_57_network_policies_are_enforced_and_nodes_have_one_known_way_out(declare: Declare) -> None:
    recorder = declare()
    profile = cluster(recorder)["networkProfile"]
    assert (profile["networkPolicy"], profile["networkDataplane"]) == ("cilium", "cilium")
    assert (profile["networkPlugin"], profile["networkPluginMode"]) == ("azure", "overlay")
    assert profile["outboundType"] == "userAssignedNATGateway"
    assert all(pool["enableNodePublicIP"] is False for pool in nodes(recorder).values())
    subnets = {inputs["subnetName"]: inputs for inputs in recorder.of_type(":Subnet").values()}
    assert all(inputs["defaultOutboundAccess"] is False for inputs in subnets.values())
    assert "natGateway" in subnets["nodes"]
    assert subnets["api-server"]["delegations"][0]["serviceName"] == "Microsoft.ContainerService/managedClusters"
    assert [options(recorder, f"cloud-subnet-{name}").depends_on for name in subnets] != [[], [], []]


def test_control_57_a_firewall_of_the_site_replaces_the_gateway(declare: Declare) -> None:
    recorder = declare(aks(network={"route_table": TABLE}))
    assert cluster(recorder)["networkProfile"]["outboundType"] == "userDefinedRouting"
    assert recorder.of_type(":Subnet")["cloud-subnet-nodes"]["routeTable"] == {"id": TABLE}
    assert recorder.of_type(":NatGateway") == {}


def test_control_58_secrets_come_from_the_vault_and_are_rotated(declare: Declare) -> None:
    inputs = cluster(declare())
    provider = inputs["addonProfiles"]["azureKeyvaultSecretsProvider"]
    assert provider == {"enabled": True, "config": {"enableSecretRotation": "true", "rotationPollInterval": "2m"}}
    assert inputs["oidcIssuerProfile"] == {"enabled": True}
    assert inputs["securityProfile"]["workloadIdentity"] == {"enabled": True}
    assert "azureKeyVaultKms" not in inputs["securityProfile"]


def test_control_58_what_etcd_keeps_is_encrypted_with_a_key_of_the_vault_where_asked(declare: Declare) -> None:
    recorder = declare(aks(kms=True))
    kms = cluster(recorder)["securityProfile"]["azureKeyVaultKms"]
    assert kms["enabled"] is True
    assert kms["keyId"].endswith("/cloud-etcd-key/1")
    assert kms["keyVaultNetworkAccess"] == "Private"
    assert roles(recorder)["etcd-key"]["principalId"] == "cloud-identity-control-plane-principal"
    waited_for = {dependency._name for dependency in options(recorder, "cloud-aks").depends_on}  # type: ignore[union-attr]
    assert {"cloud-role-etcd-key", "cloud-role-etcd-way", "cloud-vault-endpoint-names"} <= waited_for


def test_control_59_policy_logs_defender_and_image_cleaner_are_on(declare: Declare) -> None:
    inputs = cluster(declare())
    assert inputs["addonProfiles"]["azurepolicy"]["enabled"] is True
    logs = inputs["addonProfiles"]["omsagent"]["config"]["logAnalyticsWorkspaceResourceID"]
    assert logs.endswith("/cloud-workspace")
    defender = inputs["securityProfile"]["defender"]
    assert defender == {"logAnalyticsWorkspaceResourceId": logs, "securityMonitoring": {"enabled": True}}
    assert inputs["securityProfile"]["imageCleaner"] == {"enabled": True, "intervalHours": 120}


def test_control_60_it_is_promised_upgraded_and_spread(declare: Declare) -> None:
    recorder = declare()
    inputs = cluster(recorder)
    assert inputs["sku"] == {"name": "Base", "tier": "Standard"}
    assert inputs["autoUpgradeProfile"] == {"upgradeChannel": "patch", "nodeOSUpgradeChannel": "NodeImage"}
    windows = {w["configName"]: w["maintenanceWindow"] for w in recorder.of_type(":MaintenanceConfiguration").values()}
    assert set(windows) == {"aksManagedAutoUpgradeSchedule", "aksManagedNodeOSUpgradeSchedule"}
    for window in windows.values():
        assert window["schedule"] == {"weekly": {"dayOfWeek": "Saturday", "intervalWeeks": 1}}
        assert (window["startTime"], window["utcOffset"], window["durationHours"]) == ("02:00", "+00:00", 4)
    for name, pool in nodes(recorder).items():
        assert pool["type"] == "VirtualMachineScaleSets"
        assert pool["maxPods"] >= 50
        assert pool.get("availabilityZones", []) == ([] if name == "gpu" else ["1", "2", "3"])


def test_control_61_pools_are_separate_tainted_and_encrypted(declare: Declare) -> None:
    found = nodes(declare())
    assert {name: pool["mode"] for name, pool in found.items()} == {
        "system": "System",
        "general": "User",
        "gpu": "User",
    }
    assert found["system"]["nodeTaints"] == ["CriticalAddonsOnly=true:NoSchedule"]
    assert found["gpu"]["nodeTaints"] == ["sku=gpu:NoSchedule"]
    assert found["general"]["nodeTaints"] == []
    for pool in found.values():
        assert pool["enableEncryptionAtHost"] is True
        assert pool["enableAutoScaling"] is True
        assert pool["securityProfile"] == {"sshAccess": "Disabled"}
        assert pool["kubeletConfig"] == {"podMaxPids": 4096}
    assert (found["gpu"]["minCount"], found["gpu"]["maxCount"], found["gpu"]["count"]) == (0, 2, 0)
    assert {name: pool["osDiskType"] for name, pool in found.items()} == {
        "system": "Ephemeral",
        "general": "Managed",
        "gpu": "Ephemeral",
    }


def test_control_61_gpu_nodes_are_drained_before_their_successor_comes(declare: Declare) -> None:
    found = nodes(declare())
    upgrade = found["gpu"]["upgradeSettings"]
    assert (upgrade["maxSurge"], upgrade["maxUnavailable"]) == ("0", "1")
    # The gateway's is the longest drain a stack file can ask for, an hour.
    assert all(pool["upgradeSettings"]["drainTimeoutInMinutes"] * 60 > 3600 + 10 for pool in found.values())
    assert found["general"]["upgradeSettings"]["maxSurge"] == "33%"


def test_control_61_labels_and_taints_are_the_same_for_azure_and_for_kubernetes(declare: Declare) -> None:
    spec = aks(pools=pools(gpu={**GPU, "spot": True}))
    recorder = declare(spec, workload("chat", gpus=1))
    spot = nodes(recorder)["gpu"]
    assert (spot["scaleSetPriority"], spot["scaleSetEvictionPolicy"], spot["spotMaxPrice"]) == ("Spot", "Delete", -1)
    assert spot["nodeLabels"] == {"slm-pool": "gpu", "kubernetes.azure.com/scalesetpriority": "spot"}
    pod = recorder.only(":Deployment")["spec"]["template"]["spec"]
    tolerated = {f"{t['key']}={t['value']}:{t['effect']}" for t in pod["tolerations"]}
    assert tolerated >= set(spot["nodeTaints"])
    chosen = {key: value for key, value in pod["nodeSelector"].items() if key != "kubernetes.io/os"}
    assert chosen == spot["nodeLabels"]


def test_control_61_cut_gpus_are_asked_for_by_their_instance(declare: Declare) -> None:
    cut = {"vm_size": A100, "gpus": 1, "max_nodes": 1, "mig_profile": "MIG1g"}
    recorder = declare(aks(pools=pools(gpu=cut)), workload("chat", gpus=1))
    assert nodes(recorder)["gpu"]["gpuInstanceProfile"] == "MIG1g"
    (container,) = recorder.only(":Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/mig-1g.10gb"] == "1"
    plugin = recorder.only(":DaemonSet")["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "MIG_STRATEGY", "value": "mixed"} in plugin["env"]


def test_control_54_figures_go_to_azures_workspace_and_alerts_to_people(declare: Declare, tmp_path: Path) -> None:
    recorder = OnStandIn(azure=azure(tmp_path))
    declare(aks(), recorder=recorder, watched=WATCHED)
    assert recorder.refused == []
    metrics = cluster(recorder)["azureMonitorProfile"]["metrics"]
    assert metrics["enabled"] is True
    rule = recorder.only(":DataCollectionRule")
    assert rule["dataFlows"] == [{"streams": ["Microsoft-PrometheusMetrics"], "destinations": ["workspace"]}]
    assert recorder.only(":DataCollectionRuleAssociation")["resourceUri"].endswith("/managedClusters/slm-prod")
    groups = recorder.of_type(":PrometheusRuleGroup")
    assert {group["ruleGroupName"] for group in groups.values()} == {"slm-prod-engines-1", "slm-prod-engine-alerts-1"}
    (alerting,) = [group["rules"][0] for name, group in groups.items() if name.endswith("alerts-1")]
    assert alerting["actions"][0]["actionGroupId"].endswith("/actionGroups/slm-prod-alerts")
    mail = recorder.only(":ActionGroup")["emailReceivers"][0]
    assert mail["emailAddress"] == "ops@example.org"
    files = {one["metadata"]["name"]: one["data"] for one in recorder.of_type(":ConfigMap").values()}
    assert files["ama-metrics-prometheus-config"] == {"prometheus-config": WATCHED.scrape}
