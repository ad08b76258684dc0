"""A production stack on AKS as Pulumi sees it: the whole tree, hardened by controls 55 to 62, nothing in the clear."""

from __future__ import annotations

import asyncio
import json
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.runtime import MockResourceArgs
from pulumi.runtime.stack import run_pulumi_func

from components.targets.aks.target import AksTarget
from components.targets.aks.watched import RuleGroup, Watched
from components.targets.placement import Caller, Placement, Surroundings, UnsupportedError
from components.targets.spec import Aks
from components.workload import Probe, Resources, SecretFile, Workload
from rehearsal.providers.azure.catalogue import catalogue
from tests.program.aks_recorder import ISSUER, SERVER_ID, SUBSCRIPTION, TENANT, AksRecorder, OnStandIn
from tests.program.conftest import Run
from tests.program.recorder import is_secret
from tests.unit.aks_samples import A100, GPU, GROUP, T4, aks, pools
from tests.unit.standin_azure_samples import azure

pytestmark = pytest.mark.program
Declare = Callable[..., AksRecorder]
CANARY = "canary-" + "c" * 40
ALONE = Surroundings()


class NoSecrets:
    """Secrets of a stack whose values lie in a vault: whoever asks for one here made a mistake."""

    def content(self, name: str) -> pulumi.Output[str]:
        raise AssertionError(f"the program asked for the content of {name}, and only the vault knows it")


class FromZero(AksRecorder):
    """Azure at the first preview: nothing has an id yet, and nothing but what was asked for is known."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        super().new_resource(args)
        # Of an identity, what is asked for has another form than what comes back.
        return None, {key: value for key, value in args.inputs.items() if key != "identity"}


def workload(name: str, *, gpus: int = 0, secret: str = "") -> Workload:
    return Workload(
        name=name,
        image="docker.io/library/engine@sha256:" + "e" * 64,
        port=8000,
        probe=Probe(command=("true",)),
        resources=Resources(memory_mib=512, cpus=1),
        secrets=(SecretFile(name="key", secret=secret),) if secret else (),
        gpus=gpus,
    )


@pytest.fixture(scope="module")
def declare() -> Iterator[Declare]:
    """Gives a function that declares a target with workloads on it and returns what was registered.

    What was declared before is not declared again: most tests look at the same stack.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loops: list[asyncio.AbstractEventLoop] = []
    done: dict[tuple[object, ...], AksRecorder] = {}

    def of_this_thread() -> None:
        made = asyncio.new_event_loop()
        asyncio.set_event_loop(made)
        loops.append(made)

    executor = ThreadPoolExecutor(initializer=of_this_thread)
    loop.set_default_executor(executor)

    def run(
        spec: Aks | None = None,
        *workloads: Workload,
        recorder: AksRecorder | None = None,
        watched: Watched | None = None,
        around: Surroundings = ALONE,
    ) -> AksRecorder:
        spec = spec or aks()
        given = [*workloads, *([watched] if watched else [])]
        key = (type(recorder), spec.model_dump_json(), *(one.model_dump_json() for one in given), around)
        if key in done:
            return done[key]
        recorder = recorder or AksRecorder()
        # The transformation of one run sees the resources of all that come after it, so it gets a list of its own.
        running = copy(recorder)
        running.seen = []
        preview = isinstance(recorder, FromZero)
        pulumi.runtime.set_mocks(recorder, project="slm", stack="prod", preview=preview)

        async def program() -> None:
            pulumi.runtime.register_stack_transformation(running.transform)
            target = AksTarget("cloud", spec, "prod", watched)
            for one in workloads:
                parent = pulumi.ComponentResource("slm:engine:test", one.name)
                target.kubernetes.run(one, Placement(parent, NoSecrets(), around))

        loop.run_until_complete(run_pulumi_func(program))
        recorder.seen = list(running.seen)
        done[key] = recorder
        return recorder

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PULUMI_ERROR_OUTPUT_STRING", "1")
        yield run
    executor.shutdown()
    for made in (*loops, loop):
        made.close()
    asyncio.set_event_loop(None)


def cluster(recorder: AksRecorder) -> dict[str, Any]:
    return recorder.only(":ManagedCluster")


def nodes(recorder: AksRecorder) -> dict[str, dict[str, Any]]:
    """The inline system pool and every other pool, by name."""
    found = {pool["agentPoolName"]: pool for pool in recorder.of_type(":AgentPool").values()}
    (system,) = cluster(recorder)["agentPoolProfiles"]
    return {system["name"]: system, **found}


def roles(recorder: AksRecorder) -> dict[str, dict[str, Any]]:
    return {name.removeprefix("cloud-role-"): inputs for name, inputs in recorder.of_type(":RoleAssignment").items()}


def options(recorder: AksRecorder, name: str) -> pulumi.ResourceOptions:
    (found,) = [seen.options for seen in recorder.seen if seen.name == name]
    return found


def test_the_tree_is_the_one_of_the_diagram(declare: Declare) -> None:
    recorder = declare(aks(kms=True))
    parts = [seen.type for seen in recorder.seen if seen.is_component and seen.parent == "cloud"]
    assert list(dict.fromkeys(parts)) == [
        "slm:aks:network",
        "slm:aks:identities",
        "slm:aks:vault",
        "slm:aks:privateendpoint",
        "slm:aks:registry",
        "slm:aks:logs",
        "slm:aks:cluster",
        "slm:aks:pool",
        "slm:aks:federation",
        "slm:aks:agents",
        "slm:target:kubernetes",
    ]
    counted = Counter(seen.type.split(":")[-1] for seen in recorder.seen if seen.type.startswith("azure-native:"))
    assert counted == {
        "ResourceGroup": 2,
        "VirtualNetwork": 1,
        "PublicIPAddress": 1,
        "NatGateway": 1,
        "Subnet": 3,
        "UserAssignedIdentity": 3,
        "Vault": 1,
        "Key": 1,
        "Registry": 1,
        "PrivateZone": 2,
        "VirtualNetworkLink": 2,
        "PrivateEndpoint": 2,
        "PrivateDnsZoneGroup": 2,
        "RoleAssignment": 10,
        "Workspace": 1,
        "ManagedCluster": 1,
        "MaintenanceConfiguration": 2,
        "AgentPool": 2,
    }


def test_no_resource_is_an_orphan_and_no_two_have_one_name(declare: Declare) -> None:
    recorder = declare(None, workload("chat", gpus=1))
    for seen in recorder.seen:
        assert seen.is_component or (seen.parent_type or "").startswith("slm:"), f"{seen.name} hangs nowhere"
    twice = [k for k, n in Counter((s.type, s.name, s.parent_type) for s in recorder.seen).items() if n > 1]
    assert twice == []


def test_control_69_every_resource_has_an_explicit_provider(declare: Declare) -> None:
    for seen in declare(None, workload("chat", gpus=1)).seen:
        if not seen.is_component and not seen.is_provider:
            assert seen.options.provider is not None, f"{seen.name} would use a default provider"


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


def test_control_62_the_vault_is_closed_and_forgives_mistakes(declare: Declare) -> None:
    recorder = declare()
    vault = recorder.only(":Vault")
    properties = vault["properties"]
    assert properties["enablePurgeProtection"] is True
    assert properties["enableSoftDelete"] is True
    assert properties["softDeleteRetentionInDays"] == 90
    assert properties["publicNetworkAccess"] == "Disabled"
    assert properties["networkAcls"]["defaultAction"] == "Deny"
    assert properties["enableRbacAuthorization"] is True
    assert properties["tenantId"] == TENANT
    assert "accessPolicies" not in properties
    (connection,) = recorder.of_type(":PrivateEndpoint")["cloud-vault-endpoint-address"][
        "privateLinkServiceConnections"
    ]
    assert connection["groupIds"] == ["vault"]


def test_control_62_the_registry_is_closed_and_nodes_only_pull(declare: Declare) -> None:
    recorder = declare()
    registry = recorder.only(":Registry")
    assert registry["adminUserEnabled"] is False
    assert registry["anonymousPullEnabled"] is False
    assert registry["publicNetworkAccess"] == "Disabled"
    assert registry["sku"] == {"name": "Premium"}
    assert set(recorder.of_type(":PrivateEndpoint")) == {
        "cloud-vault-endpoint-address",
        "cloud-registry-endpoint-address",
    }


def test_every_identity_may_do_what_it_needs_and_nothing_else(declare: Declare) -> None:
    given = {
        (inputs["principalId"], inputs["description"].split(":")[0]): inputs for inputs in roles(declare()).values()
    }
    assert set(given) == {
        ("cloud-identity-control-plane-principal", "Network Contributor"),
        ("cloud-identity-control-plane-principal", "Managed Identity Operator"),
        ("cloud-identity-control-plane-principal", "Virtual Machine Contributor"),
        ("cloud-identity-kubelet-principal", "AcrPull"),
        ("cloud-identity-workload-principal", "Key Vault Secrets User"),
        (GROUP, "Key Vault Secrets Officer"),
        (GROUP, "AcrPush"),
    }
    for (principal, _), inputs in given.items():
        assert inputs["principalType"] == ("Group" if principal == GROUP else "ServicePrincipal")
        assert inputs["roleDefinitionId"].startswith(
            f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/"
        )
        assert inputs["scope"].count("/") > 4, "a role on the whole subscription"


def test_control_65_workloads_read_the_vault_as_an_identity_and_the_program_reads_no_value(declare: Declare) -> None:
    recorder = declare(None, workload("chat", gpus=1, secret="chat-key"), workload("more", secret="more-key"))
    federated = recorder.of_type(":FederatedIdentityCredential")
    assert {inputs["subject"] for inputs in federated.values()} == {
        "system:serviceaccount:slm:chat",
        "system:serviceaccount:slm:more",
    }
    for inputs in federated.values():
        assert inputs["issuer"] == ISSUER
        assert inputs["audiences"] == ["api://AzureADTokenExchange"]
    # Two at once on one identity are answered with 409, so the second waits for the first.
    assert [d._name for d in options(recorder, "cloud-federated-more").depends_on] == ["cloud-federated-chat"]  # type: ignore[union-attr]
    classes = recorder.of_type(":SecretProviderClass")
    assert len(classes) == 2
    for inputs in classes.values():
        assert inputs["spec"]["parameters"]["keyvaultName"] == "slm-test-vault"
        assert inputs["spec"]["parameters"]["clientID"] == "cloud-identity-workload-client"
        assert inputs["spec"]["parameters"]["tenantId"] == TENANT


def test_more_workloads_with_secrets_than_azure_allows_are_refused_with_a_way_out(declare: Declare) -> None:
    with pytest.raises(UnsupportedError, match=r"more than 20 .* put some of them into another stack"):
        declare(None, *(workload(f"w{number}", secret="key") for number in range(21)))


def test_control_66_the_kubeconfig_is_secret_and_asks_no_person(declare: Declare) -> None:
    recorder = declare(aks(login="workloadidentity"))
    inputs = recorder.inputs["cloud-kubernetes"]
    assert is_secret(inputs["kubeconfig"])
    content = inputs["kubeconfig"]["value"]
    (user,) = yaml.safe_load(json.loads(content) if content.startswith('"') else content)["users"]
    assert user["user"]["exec"]["args"] == ["get-token", "--login", "workloadidentity", "--server-id", SERVER_ID]
    assert "devicecode" not in content
    assert inputs["clusterIdentifier"].endswith("/ManagedCluster/cloud-aks")
    assert [token for token, _ in recorder.calls] == ["azure-native:containerservice:listManagedClusterUserCredentials"]


def test_control_67_what_would_be_missed_is_protected_and_retained(declare: Declare) -> None:
    recorder = declare(aks(kms=True))
    kept = {s.name: (bool(s.options.protect), bool(s.options.retain_on_delete)) for s in recorder.seen}
    assert kept["cloud-aks"] == (True, False)
    assert kept["cloud-keyvault"] == (True, True)
    assert kept["cloud-etcd-key"] == (True, True)
    assert kept["cloud-data-group"] == (True, True)
    assert kept["cloud-group"] == (False, False)
    free = {"cluster": False, "vault": False, "data": False}
    recorder = declare(aks(protect=free, retain={"vault": False, "data": False}))
    assert not [s.name for s in recorder.seen if s.options.protect or s.options.retain_on_delete]


def test_control_67_what_a_teardown_retained_is_taken_over_where_asked(declare: Declare) -> None:
    recorder = declare(aks(adopt=True, subscription_id=SUBSCRIPTION, kms=True))
    imported = {seen.name: seen.options.import_ for seen in recorder.seen if seen.options.import_}
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/slm-prod-data"
    vault = f"{group}/providers/Microsoft.KeyVault/vaults/slm-test-vault"
    assert imported == {
        "cloud-data-group": group,
        "cloud-keyvault": vault,
        "cloud-etcd-key": f"{vault}/keys/etcd",
    }
    assert not [seen.name for seen in declare(aks(kms=True)).seen if seen.options.import_]
    assert recorder.inputs["cloud-azure"]["subscriptionId"] == SUBSCRIPTION


def test_control_67_disks_lie_in_the_group_that_outlives_the_cluster(declare: Declare) -> None:
    classes = {inputs["metadata"]["name"]: inputs for inputs in declare().of_type(":StorageClass").values()}
    assert set(classes) == {"slm-weights", "slm-data"}
    for inputs in classes.values():
        assert inputs["reclaimPolicy"] == "Retain"
        assert inputs["parameters"]["resourceGroup"] == "slm-prod-data"
        assert inputs["parameters"]["networkAccessPolicy"] == "DenyAll"


def test_azures_own_changes_are_no_difference(declare: Declare) -> None:
    recorder = declare()
    assert options(recorder, "cloud-aks").ignore_changes == ["agentPoolProfiles"]
    assert options(recorder, "cloud-pool-gpu-nodes").ignore_changes == ["count"]
    recorder = declare(aks(upgrade_channel="stable"))
    assert options(recorder, "cloud-aks").ignore_changes == ["kubernetesVersion", "agentPoolProfiles"]
    assert options(recorder, "cloud-pool-gpu-nodes").ignore_changes == ["count", "orchestratorVersion"]


def test_what_azure_cannot_change_in_a_pool_makes_it_anew(declare: Declare) -> None:
    recorder = declare(aks(pools=pools(gpu={**GPU, "spot": True})))
    pool = "cloud-pool-gpu-nodes"
    given = {name for name, value in recorder.inputs[pool].items() if value is not None}
    refused = {path.partition(".")[0] for path in catalogue()["containerservice:AgentPool"].immutable}
    replaced = set(options(recorder, pool).replace_on_changes or ())
    # What is the same in every pool never changes.
    assert given & refused - {"osType", "type"} <= replaced
    assert options(recorder, pool).delete_before_replace


def test_a_preview_from_zero_asks_azure_for_nothing_and_shows_everything(declare: Declare) -> None:
    chat = workload("chat", gpus=1, secret="chat-key")
    zero = declare(None, chat, recorder=FromZero())
    assert zero.calls == []
    assert set(zero.inputs) == set(declare(None, chat).inputs)


def test_a_cluster_without_gpus_has_no_device_plugin(declare: Declare) -> None:
    plain = pools()
    del plain["gpu"]
    assert declare(aks(pools=plain)).of_type(":DaemonSet") == {}


def test_a_stack_without_vault_and_registry_has_neither(declare: Declare) -> None:
    recorder = declare(aks(vault=None, registry=None))
    for token in (":Vault", ":Registry", ":PrivateEndpoint", ":PrivateZone"):
        assert recorder.of_type(token) == {}, token


TABLE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/hub/providers/Microsoft.Network/routeTables/out"
EVERY_POOL = pools(
    cut={"vm_size": A100, "gpus": 1, "mig_profile": "MIG1g"},
    spot={**GPU, "spot": True},
    linux={**GPU, "os_sku": "AzureLinux3"},
)


@pytest.mark.parametrize(
    "spec",
    [
        aks(kms=True, pools=EVERY_POOL),
        aks(private=False, authorized_ranges=("198.51.100.0/24",), vnet_integration=False, storage="files"),
        aks(vault=None, registry=None, tier="Free", upgrade_channel="stable"),
    ],
    ids=["kms and every kind of pool", "public with ranges", "least"],
)
def test_azures_rules_as_the_rehearsal_knows_them_accept_every_input(
    declare: Declare, tmp_path: Path, spec: Aks
) -> None:
    recorder = OnStandIn(azure=azure(tmp_path))
    declare(spec, workload("chat", gpus=1, secret="key" if spec.vault else ""), recorder=recorder)
    assert recorder.refused == []
    kept = recorder.azure.manager.store.all() if recorder.azure else []
    assert len(kept) >= len([s for s in recorder.seen if s.type.startswith("azure-native:")])


WATCHED = Watched(
    scrape="scrape_configs: []",
    settings="cadvisor = false",
    groups=(
        RuleGroup(name="engines-1", rules=({"record": "slm:up", "expression": "up", "enabled": True},)),
        RuleGroup(
            name="engine-alerts-1",
            rules=(
                {
                    "alert": "EngineDown",
                    "expression": "slm:up == 0",
                    "enabled": True,
                    "severity": 0,
                    "for": "PT2M",
                    "labels": {"severity": "critical"},
                    "annotations": {"summary": "gone"},
                    "resolveConfiguration": {"autoResolved": True, "timeToResolve": "PT2M"},
                },
            ),
        ),
    ),
    emails=("ops@example.org",),
)


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


def test_control_52_azures_grafana_has_no_key_and_reads_the_workspace_alone(declare: Declare, tmp_path: Path) -> None:
    recorder = declare(aks(), recorder=OnStandIn(azure=azure(tmp_path)), watched=WATCHED)
    assert recorder.only(":Grafana")["properties"]["apiKey"] == "Disabled"
    assert roles(recorder)["grafana"]["scope"].endswith("/accounts/slm-prod-metrics")
    bare = declare(aks())
    assert not bare.of_type(":Grafana")
    assert "azureMonitorProfile" not in cluster(bare)


def test_control_48_only_azures_agent_reaches_what_prometheus_would(declare: Declare) -> None:
    recorder = AksRecorder()
    around = Surroundings(callers=(Caller("gateway"), Caller("prometheus")))
    declare(aks(), workload("watched"), recorder=recorder, watched=WATCHED, around=around)
    policies = {one["metadata"]["name"]: one["spec"] for one in recorder.of_type(":NetworkPolicy").values()}
    agent = policies["to-watched"]["ingress"][1]["from"][0]
    assert agent["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "kube-system"}
    assert agent["podSelector"]["matchLabels"] == {"rsName": "ama-metrics"}
    assert "from-gateway-to-watched" in policies
    assert "from-prometheus-to-watched" not in policies


IMAGES = {role: f"slmprodexample.azurecr.io/slm/{role}:1@sha256:{'f' * 64}" for role in ("fetch", "ollama-exporter")}


def test_the_committed_production_stack_declares_all_of_it(run_program: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.program.conftest.Recorder", AksRecorder)
    recorder = run_program(
        "prod",
        config={
            "slm:images": json.dumps(IMAGES),
            "slm:security": json.dumps({"allow_registries": ["docker.io", "slmprodexample.azurecr.io"]}),
        },
        keys={"key-1": CANARY},
    )
    assert isinstance(recorder, AksRecorder)
    assert set(nodes(recorder)) == {"system", "general", "gpu"}
    assert recorder.only(":AzureMonitorWorkspace")
    (mailed,) = recorder.only(":ActionGroup")["emailReceivers"]
    assert mailed["emailAddress"] == "operations@example.com"
    services = {inputs["metadata"]["name"]: inputs for inputs in recorder.of_type(":Service").values()}
    (balancer,) = [service for service in services.values() if service["spec"].get("type") == "LoadBalancer"]
    assert balancer["metadata"]["annotations"]["service.beta.kubernetes.io/azure-load-balancer-internal"] == "true"
    pods = {name: inputs["spec"]["template"]["spec"] for name, inputs in recorder.of_type(":Deployment").items()}
    assert {pod["nodeSelector"]["slm-pool"] for pod in pods.values()} == {"general", "gpu"}
    (gateway,) = [inputs for inputs in recorder.of_type(":SecretProviderClass").values()]
    asked = gateway["spec"]["parameters"]["objects"]
    assert all(name in asked for name in ("gateway-keys", "gateway-certificate", "gateway-certificate-key"))
    assert CANARY not in json.dumps(recorder.inputs, default=str)
    for seen in recorder.seen:
        assert seen.is_component or seen.is_provider or seen.options.provider is not None, seen.name


def test_an_aks_of_several_pools_makes_one_after_the_other(declare: Declare) -> None:
    recorder = declare(aks(pools=pools(pair={"vm_size": "Standard_NC48ads_A100_v4", "gpus": 2})))
    waits = {
        name: [d._name for d in options(recorder, f"cloud-pool-{name}-nodes").depends_on]  # type: ignore[union-attr]
        for name in ("general", "gpu", "pair")
    }
    assert waits == {
        "general": ["cloud-upgrades-nodes"],
        "gpu": ["cloud-pool-general-nodes"],
        "pair": ["cloud-pool-gpu-nodes"],
    }


def test_a_hundred_engines_take_a_hundred_times_one(declare: Declare) -> None:
    wide = aks(pools=pools(gpu={"vm_size": T4, "gpus": 1, "max_nodes": 200}))

    def seconds(count: int) -> float:
        before = time.process_time()
        recorder = declare(wide, *(workload(f"engine-{number}", gpus=1) for number in range(count)))
        assert len(recorder.of_type(":Deployment")) == count
        return time.process_time() - before

    few, many = seconds(20), seconds(100)
    assert many < 30
    assert many < few * 5 * 1.75, f"20 take {few:.1f} s and 100 take {many:.1f} s"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2_000_000, "kilobytes"
