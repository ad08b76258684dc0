"""The simulated Azure: what it answers, what it refuses because of what is there, and what goes with what."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from rehearsal.control_plane.pools import SimulatedPool
from rehearsal.providers.azure.cloud import Cloud
from rehearsal.providers.azure.errors import ArmError, PluginError
from rehearsal.providers.azure.provider import Provider
from rehearsal.providers.azure.rules.pools import SPOT_TAINT
from tests.unit.standin_azure_samples import (
    CLUSTER,
    GROUP,
    IDENTITY,
    NETWORK,
    POOL,
    ROLES,
    SUBNET,
    SYSTEM_POOL,
    TENANT,
    VAULT,
    azure,
    create,
    sample,
    with_cluster,
)

pytestmark = pytest.mark.unit
_CLUSTER, _POOL = "containerservice:ManagedCluster", "containerservice:AgentPool"
SECRETS_USER = f"{ROLES}/4633458b-17de-408a-b874-0445c86b69e6"
OPERATOR = f"{ROLES}/f1a07417-d97a-45cb-824c-7a7467783830"


@pytest.fixture
def provider(tmp_path: Path) -> Provider:
    return with_cluster(tmp_path)


@pytest.fixture
def cloud(provider: Provider, tmp_path: Path) -> Cloud:
    return Cloud(tmp_path)


def update(provider: Provider, resource_type: str, arm_id: str, **changed: Any) -> dict[str, Any]:
    return provider.update(f"azure-native:{resource_type}", arm_id, sample(resource_type, **changed))


def delete(provider: Provider, resource_type: str, arm_id: str) -> None:
    provider.delete(f"azure-native:{resource_type}", arm_id)


def refused(code: str) -> Any:
    return pytest.raises(ArmError, match=f'Code="{code}"')


def assign(provider: Provider, principal: str, role: str, scope: str, name: str = "1", **more: Any) -> None:
    inputs = {
        "scope": scope,
        "roleAssignmentName": f"a30feb59-a753-4a15-a99b-00000000000{name}",
        "principalId": principal,
        "roleDefinitionId": role,
    }
    provider.create("azure-native:authorization:RoleAssignment", inputs | more)


def test_a_cluster_answers_what_a_program_needs(provider: Provider) -> None:
    outputs = Cloud(provider.manager.store.directory).read(CLUSTER)
    assert outputs["provisioningState"] == "Succeeded"
    assert outputs["nodeResourceGroup"] == "MC_slm_slm_westeurope"
    assert outputs["currentKubernetesVersion"] == "1.34.6"
    assert outputs["fqdn"].endswith(".hcp.westeurope.azmk8s.io")
    assert outputs["oidcIssuerProfile"]["issuerURL"].startswith(f"https://westeurope.oic.prod-aks.azure.com/{TENANT}/")
    assert len(outputs["identityProfile"]["kubeletidentity"]["objectId"]) == 36
    who = outputs["identity"]["userAssignedIdentities"][IDENTITY]
    assert who == {k: Cloud(provider.manager.store.directory).read(IDENTITY)[k] for k in ("clientId", "principalId")}


def test_a_private_cluster_has_a_private_name(provider: Provider) -> None:
    _, outputs = create(provider, _CLUSTER, resourceName="two", apiServerAccessProfile={"enablePrivateCluster": True})
    assert outputs["privateFQDN"].endswith(".privatelink.westeurope.azmk8s.io")


def test_other_resources_answer_their_addresses(provider: Provider) -> None:
    assert create(provider, "keyvault:Vault")[1]["properties"]["vaultUri"] == "https://slm-vault.vault.azure.net/"
    assert create(provider, "containerregistry:Registry")[1]["loginServer"] == "slmimages.azurecr.io"
    assert len(create(provider, "operationalinsights:Workspace")[1]["customerId"]) == 36
    assert create(provider, "network:PublicIPAddress")[1]["ipAddress"].startswith("203.0.113.")


def test_a_spot_pool_gets_the_taint_and_label_that_aks_gives_it(provider: Provider) -> None:
    _, outputs = create(provider, _POOL, scaleSetPriority="Spot", scaleSetEvictionPolicy="Delete")
    assert outputs["nodeTaints"] == ["sku=gpu:NoSchedule", SPOT_TAINT]
    assert outputs["nodeLabels"] == {"kubernetes.azure.com/scalesetpriority": "spot"}
    with refused("PropertyChangeNotAllowed"):
        update(provider, _POOL, POOL, scaleSetPriority="Spot", scaleSetEvictionPolicy="Delete")


def test_who_is_made_anew_is_somebody_else(provider: Provider, cloud: Cloud) -> None:
    delete(provider, _CLUSTER, CLUSTER)
    before = cloud.read(IDENTITY)["principalId"]
    delete(provider, "managedidentity:UserAssignedIdentity", IDENTITY)
    assert create(provider, "managedidentity:UserAssignedIdentity")[1]["principalId"] != before


def test_every_run_of_one_directory_sees_the_same_cloud(provider: Provider, tmp_path: Path) -> None:
    create(provider, _POOL)
    found = azure(tmp_path).read(f"azure-native:{_POOL}", POOL, sample(_POOL), {})
    assert found is not None
    assert found[1]["vmSize"] == "Standard_NC4as_T4_v3"
    with pytest.raises(PluginError, match="cannot create already existing resource"):
        create(azure(tmp_path), _POOL)


def test_secrets_are_neither_answered_nor_kept(provider: Provider, tmp_path: Path) -> None:
    create(provider, "keyvault:Vault")
    _, outputs = create(provider, "keyvault:Secret")
    assert "value" not in outputs["properties"]
    assert outputs["properties"]["secretUri"] == "https://slm-vault.vault.azure.net/secrets/key"
    kept = "".join(file.read_text() for file in tmp_path.rglob("*.json"))
    assert "correct horse" not in kept
    assert "sha256:" in kept


def test_a_changed_secret_is_a_new_version(provider: Provider) -> None:
    create(provider, "keyvault:Vault")
    arm_id, before = create(provider, "keyvault:Secret")
    after = update(provider, "keyvault:Secret", arm_id, properties={"value": "another"})
    name = "secretUriWithVersion"
    assert before["properties"][name] != after["properties"][name]


def test_what_a_resource_lies_in_or_names_must_exist(tmp_path: Path) -> None:
    provider = azure(tmp_path)
    with refused("ResourceGroupNotFound"):
        create(provider, "network:VirtualNetwork")
    create(provider, "resources:ResourceGroup")
    with refused("ParentResourceNotFound"):
        create(provider, "network:Subnet")
    with refused("InvalidResourceReference"):
        create(provider, _CLUSTER)


def test_a_region_must_exist(provider: Provider) -> None:
    with pytest.raises(ArmError, match=r"LocationNotAvailableForResourceType.*did you mean 'westeurope'"):
        create(provider, "containerregistry:Registry", location="westeuropa")


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


def test_a_kubelet_identity_needs_a_role_first(provider: Provider) -> None:
    kubelet, _ = create(provider, "managedidentity:UserAssignedIdentity", resourceName="kubelet")
    changed = {"resourceName": "two", "identityProfile": {"kubeletidentity": {"resourceId": kubelet}}}
    with refused("CustomKubeletIdentityMissingPermissionError"):
        create(provider, _CLUSTER, **changed)
    principal = Cloud(provider.manager.store.directory).read(IDENTITY)["principalId"]
    assign(provider, principal, OPERATOR, kubelet)
    assert create(provider, _CLUSTER, **changed)[1]["identityProfile"]["kubeletidentity"]["resourceId"] == kubelet


def test_a_role_is_given_to_somebody_who_exists_and_once(provider: Provider, cloud: Cloud) -> None:
    create(provider, "keyvault:Vault")
    with refused("PrincipalNotFound"):
        assign(provider, TENANT, SECRETS_USER, VAULT, principalType="ServicePrincipal")
    assign(provider, TENANT, SECRETS_USER, VAULT, principalType="Group")
    principal = cloud.read(IDENTITY)["principalId"]
    assign(provider, principal, SECRETS_USER, VAULT, "2")
    with refused("RoleAssignmentExists"):
        assign(provider, principal, SECRETS_USER, VAULT, "3")
    assign(provider, principal, OPERATOR, VAULT, "3")


def test_credentials_of_one_identity_are_unlike_and_at_most_twenty(provider: Provider) -> None:
    kind = "managedidentity:FederatedIdentityCredential"
    create(provider, kind)
    with refused("Conflict"):
        create(provider, kind, federatedIdentityCredentialResourceName="two")
    for number in range(19):
        subject = f"system:serviceaccount:slm:s{number}"
        provider.manager.store.put(_credential(number, subject))
    with pytest.raises(ArmError, match="at most 20"):
        create(provider, kind, federatedIdentityCredentialResourceName="last", subject="x")


def _credential(number: int, subject: str) -> Any:
    from rehearsal.providers.azure.store import Record

    arm_id = f"{IDENTITY}/federatedIdentityCredentials/c{number}"
    kind = "managedidentity:FederatedIdentityCredential"
    return Record(id=arm_id, resource_type=kind, state="Succeeded", inputs={"subject": subject})


def test_two_credentials_of_one_identity_cannot_be_written_at_once(provider: Provider) -> None:
    create(provider, "managedidentity:UserAssignedIdentity", resourceName="other")
    outcomes: dict[str, str] = {}

    def write(name: str, identity: str) -> None:
        try:
            create(
                provider,
                "managedidentity:FederatedIdentityCredential",
                resourceName=identity,
                federatedIdentityCredentialResourceName=name,
                subject=f"system:serviceaccount:slm:{name}",
            )
            outcomes[name] = "made"
        except ArmError as error:
            outcomes[name] = error.code

    threads = [threading.Thread(target=write, args=pair) for pair in (("one", "slm"), ("two", "slm"), ("far", "other"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes["far"] == "made"
    assert sorted((outcomes["one"], outcomes["two"])) == [
        "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity",
        "made",
    ]
    loser = "one" if outcomes["one"] != "made" else "two"
    write(loser, "slm")
    assert outcomes[loser] == "made"


def test_a_vaults_name_stays_taken_until_it_is_purged(provider: Provider, cloud: Cloud) -> None:
    create(provider, "keyvault:Vault")
    secret, _ = create(provider, "keyvault:Secret")
    with refused("VaultAlreadyExists"):
        create(provider, "resources:ResourceGroup", resourceGroupName="two")
        create(provider, "keyvault:Vault", resourceGroupName="two")
    delete(provider, "keyvault:Secret", secret)
    with pytest.raises(ArmError, match="deleted but recoverable state"):
        create(provider, "keyvault:Secret")
    cloud.purge(secret)
    create(provider, "keyvault:Secret")
    delete(provider, "keyvault:Vault", VAULT)
    with refused("ConflictError"):
        create(provider, "keyvault:Vault")
    assert {record.name for record in cloud.soft_deleted()} == {"slm-vault", "key"}
    cloud.purge(VAULT)
    create(provider, "keyvault:Vault")


def test_purge_protection_keeps_a_deleted_vault(provider: Provider, cloud: Cloud) -> None:
    good = sample("keyvault:Vault")["properties"]
    create(provider, "keyvault:Vault", properties=good | {"enablePurgeProtection": True})
    delete(provider, "keyvault:Vault", VAULT)
    with pytest.raises(PermissionError, match="purge protection"):
        cloud.purge(VAULT)


def test_days_of_retention_are_fixed_once_they_are_set(provider: Provider) -> None:
    good = sample("keyvault:Vault")["properties"]
    create(provider, "keyvault:Vault", properties=good | {"softDeleteRetentionInDays": 7})
    with pytest.raises(ArmError, match="can't be modified"):
        update(provider, "keyvault:Vault", VAULT, properties=good | {"softDeleteRetentionInDays": 90})


def test_what_is_in_use_is_not_deleted(provider: Provider) -> None:
    with pytest.raises(ArmError, match=f"Subnet nodes is in use by {CLUSTER}"):
        delete(provider, "network:Subnet", SUBNET)
    with refused("InUseSubnetCannotBeDeleted"):
        delete(provider, "network:VirtualNetwork", NETWORK)
    delete(provider, "managedidentity:UserAssignedIdentity", IDENTITY)  # Azure lets that happen.
    delete(provider, _CLUSTER, CLUSTER)
    delete(provider, "network:Subnet", SUBNET)


def test_with_a_cluster_go_its_pools_and_the_group_of_its_nodes(provider: Provider, cloud: Cloud) -> None:
    create(provider, _POOL)
    assert "MC_slm_slm_westeurope" in {r.name for r in cloud.resources("resources:ResourceGroup")}
    delete(provider, _CLUSTER, CLUSTER)
    assert {record.name for record in cloud.resources()} == {"slm", "net", "nodes"}
    assert cloud.pools()["clusters"] == []


def test_with_a_group_goes_everything_in_it(provider: Provider, cloud: Cloud) -> None:
    create(provider, "keyvault:Vault")
    delete(provider, "resources:ResourceGroup", GROUP)
    assert cloud.resources() == []
    assert [record.id for record in cloud.soft_deleted()] == [VAULT]


def test_a_lock_keeps_what_is_in_it_until_it_is_taken_away(provider: Provider, cloud: Cloud) -> None:
    held = cloud.lock(SUBNET)
    for resource_type, arm_id in (("network:Subnet", SUBNET), ("resources:ResourceGroup", GROUP)):
        with refused("ScopeLocked"):
            delete(provider, resource_type, arm_id)
    cloud.delete(held)
    delete(provider, "resources:ResourceGroup", GROUP)


def test_a_read_only_lock_keeps_changes_out_as_well(provider: Provider, cloud: Cloud) -> None:
    cloud.lock(GROUP, level="ReadOnly")
    with pytest.raises(ArmError, match="cannot perform write operation"):
        create(provider, _POOL)


def test_deleting_what_is_gone_is_done(provider: Provider) -> None:
    delete(provider, _POOL, POOL)


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


def test_a_read_of_what_is_gone_says_so(provider: Provider, cloud: Cloud) -> None:
    cloud.delete(CLUSTER)
    assert provider.read(f"azure-native:{_CLUSTER}", CLUSTER, sample(_CLUSTER), {}) is None
