"""Clusters, pools and networks in the simulated Azure: what fits, what there is room for, what cannot change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rehearsal.control_plane.pools import SimulatedPool
from rehearsal.providers.azure.cloud import Cloud
from rehearsal.providers.azure.errors import ArmError
from rehearsal.providers.azure.provider import Provider
from tests.unit.standin_azure_samples import (
    CLUSTER,
    NETWORK,
    POOL,
    SYSTEM_POOL,
    create,
    delete,
    refused,
    update,
    with_cluster,
)

pytestmark = pytest.mark.unit
_CLUSTER, _POOL = "containerservice:ManagedCluster", "containerservice:AgentPool"


@pytest.fixture
def provider(tmp_path: Path) -> Provider:
    return with_cluster(tmp_path)


@pytest.fixture
def cloud(provider: Provider, tmp_path: Path) -> Cloud:
    return Cloud(tmp_path)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"addressPrefix": "10.2.0.0/24"}, "NetcfgSubnetRangeOutsideVnet"),
        ({"addressPrefix": "10.1.8.0/24"}, "NetcfgSubnetRangesOverlap"),
    ],
)
def test_a_subnet_lies_in_its_network_and_on_no_other(provider: Provider, changed: dict[str, Any], code: str) -> None:
    with refused(code):
        create(provider, "network:Subnet", subnetName="two", **changed)


def test_a_network_keeps_room_for_its_subnets(provider: Provider) -> None:
    with refused("NetcfgSubnetRangeOutsideVnet"):
        update(provider, "network:VirtualNetwork", NETWORK, addressSpace={"addressPrefixes": ["10.3.0.0/16"]})


def test_services_of_a_cluster_do_not_lie_on_its_nodes(provider: Provider) -> None:
    with refused("ServiceCidrOverlapExistingSubnetsCidr"):
        create(
            provider,
            _CLUSTER,
            resourceName="two",
            networkProfile={"serviceCidr": "10.1.0.0/16", "dnsServiceIP": "10.1.0.10"},
        )


def test_a_region_has_not_every_size(provider: Provider) -> None:
    create(provider, "resources:ResourceGroup", resourceGroupName="far", location="ukwest")
    away = {"resourceGroupName": "far", "location": "ukwest"}
    pools = [{k: v for k, v in SYSTEM_POOL.items() if k != "vnetSubnetID"}]
    create(provider, _CLUSTER, agentPoolProfiles=pools, **away)
    with refused("SkuNotAvailable"):
        create(provider, _POOL, resourceGroupName="far", vnetSubnetID=None)
    with refused("AvailabilityZoneNotSupported"):
        create(provider, _POOL, resourceGroupName="far", vmSize="Standard_D4as_v5", availabilityZones=["1"],
               vnetSubnetID=None)  # fmt: skip


def test_nodes_beyond_the_quota_are_refused_with_the_numbers(provider: Provider) -> None:
    with pytest.raises(ArmError, match="requested 120, remaining 96 for family StandardNCADSA100v4Family"):
        create(provider, _POOL, vmSize="Standard_NC24ads_A100_v4", count=5, maxCount=5)
    create(provider, _POOL, vmSize="Standard_NC24ads_A100_v4", count=3, maxCount=5)
    with refused("ErrCode_InsufficientVCPUQuota"):
        create(provider, _POOL, agentPoolName="more", vmSize="Standard_NC48ads_A100_v4", count=1)
    update(provider, _POOL, POOL, vmSize="Standard_NC24ads_A100_v4", count=4, maxCount=5)


def test_a_subscriptions_own_file_is_laid_over_the_figures(tmp_path: Path) -> None:
    (tmp_path / "subscription.toml").write_text("[quota]\nStandard_NCASv3_T4 = 0\n")
    provider = with_cluster(tmp_path)
    with pytest.raises(ArmError, match="requested 4, remaining 0"):
        create(provider, _POOL, count=1)
    assert provider.manager.subscription.vcpus("StandardNCADSA100v4") == 96


def test_versions_are_ones_that_aks_has_and_go_up_one_at_a_time(provider: Provider) -> None:
    with refused("K8sVersionNotSupported"):
        create(provider, _CLUSTER, resourceName="two", kubernetesVersion="1.21")
    assert update(provider, _CLUSTER, CLUSTER, kubernetesVersion="1.35")["currentKubernetesVersion"] == "1.35.3"
    for far in ("1.33", "1.33.8"):
        with refused("OperationNotAllowed"):
            update(provider, _CLUSTER, CLUSTER, kubernetesVersion=far)
    with refused("NodePoolMcVersionIncompatible"):
        create(provider, _POOL, orchestratorVersion="1.36")
    create(provider, _POOL, orchestratorVersion="1.34")


def test_what_azure_does_not_change_is_refused(provider: Provider) -> None:
    create(provider, _POOL, gpuProfile={"driver": "Install"})
    for changed in (
        {"osDiskType": "Managed"},
        {"gpuProfile": {"driver": "None"}},
        {"scaleSetPriority": "Spot", "scaleSetEvictionPolicy": "Delete"},
        {"maxPods": 30},
    ):
        with refused("PropertyChangeNotAllowed"):
            update(provider, _POOL, POOL, **changed)
    assert update(provider, _POOL, POOL, maxCount=3, nodeTaints=["a=b:NoSchedule"])["nodeTaints"] == ["a=b:NoSchedule"]


def test_a_cluster_shows_pools_beside_it_and_takes_no_new_ones(provider: Provider, cloud: Cloud) -> None:
    create(provider, _POOL)
    shown = cloud.read(CLUSTER)["agentPoolProfiles"]
    assert [pool["name"] for pool in shown] == ["system", "gpu"]
    gpu = {"name": "gpu", "mode": "User", "vmSize": "Standard_NC4as_T4_v3", "maxCount": 4}
    update(provider, _CLUSTER, CLUSTER, agentPoolProfiles=[SYSTEM_POOL, gpu])
    assert [pool["name"] for pool in cloud.read(CLUSTER)["agentPoolProfiles"]] == ["system", "gpu"]
    assert cloud.read(POOL)["maxCount"] == 4
    delete(provider, _POOL, POOL)
    with pytest.raises(ArmError, match="A new agent pool was introduced"):
        update(provider, _CLUSTER, CLUSTER, agentPoolProfiles=[SYSTEM_POOL, gpu])


def test_the_last_system_pool_stays(provider: Provider, cloud: Cloud) -> None:
    arm_id, _ = create(provider, _POOL, agentPoolName="system2", mode="System", count=1, minCount=1,
                       vmSize="Standard_D4as_v5")  # fmt: skip
    delete(provider, _POOL, arm_id)
    create(provider, _POOL, agentPoolName="system2", mode="System", count=1, minCount=1, vmSize="Standard_D4as_v5")
    cloud.change(CLUSTER, {"agentPoolProfiles": []})
    with pytest.raises(ArmError, match="at least one system agent pool"):
        delete(provider, _POOL, arm_id)


def test_pools_are_written_down_as_the_simulated_nodes_need_them(provider: Provider, cloud: Cloud) -> None:
    create(provider, _POOL, availabilityZones=["1", "2"], nodeLabels={"a": "b"})
    create(provider, _POOL, agentPoolName="parts", vmSize="Standard_NC24ads_A100_v4", gpuInstanceProfile="MIG1g",
           enableAutoScaling=False, minCount=None, maxCount=None, count=2)  # fmt: skip
    create(provider, _POOL, agentPoolName="cheap", scaleSetPriority="Spot", scaleSetEvictionPolicy="Delete")
    create(provider, _POOL, agentPoolName="off", powerState={"code": "Stopped"}, count=1)
    (cluster,) = cloud.pools()["clusters"]
    assert (cluster["id"], cluster["kubernetes_version"]) == (CLUSTER, "1.34.6")
    pools = {entry["pool"]["name"]: SimulatedPool.model_validate(entry["pool"]) for entry in cluster["pools"]}
    system, gpu, parts, cheap, off = (pools[n] for n in ("system", "gpu", "parts", "cheap", "off"))
    assert (system.system, system.min_nodes, system.max_nodes, system.gpus) == (True, 3, 5, 0)
    assert (gpu.gpus, gpu.zones, gpu.labels, gpu.cpus) == (1, ("1", "2"), {"a": "b"}, 4)
    assert [taint.key for taint in gpu.node_taints] == ["sku"]
    assert (parts.gpus, parts.min_nodes, parts.max_nodes) == (7, 2, 2)
    assert [taint.value for taint in cheap.node_taints] == ["gpu", "spot"]
    assert (off.min_nodes, off.max_nodes) == (0, 0)


def test_the_autoscalers_count_is_drift(provider: Provider, cloud: Cloud) -> None:
    create(provider, _POOL)
    cloud.set_node_count(POOL, 2)
    cloud.set_node_count(f"{CLUSTER}/agentPools/system", 4)
    counts = {entry["pool"]["name"]: entry["count"] for entry in cloud.pools()["clusters"][0]["pools"]}
    assert counts == {"system": 4, "gpu": 2}
    assert cloud.read(POOL)["count"] == 2
