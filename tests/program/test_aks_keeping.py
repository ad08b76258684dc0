"""Vault, registry, identities and what outlives a stack, as Azure is asked for them: controls 62 to 67."""

from __future__ import annotations

import json

import pytest
import yaml

from components.targets.placement import UnsupportedError
from tests.program.aks_declared import (
    Declare,
    options,
    roles,
    workload,
)
from tests.program.aks_recorder import ISSUER, SERVER_ID, SUBSCRIPTION, TENANT
from tests.program.recorder import is_secret
from tests.unit.aks_samples import GROUP, aks

pytestmark = pytest.mark.program


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
