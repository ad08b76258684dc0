"""The simulated Azure: what it answers about a resource, and what must be there before one is."""

from __future__ import annotations

from pathlib import Path

import pytest

from rehearsal.providers.azure.cloud import Cloud
from rehearsal.providers.azure.errors import ArmError, PluginError
from rehearsal.providers.azure.provider import Provider
from rehearsal.providers.azure.rules.pools import SPOT_TAINT
from tests.unit.standin_azure_samples import (
    CLUSTER,
    IDENTITY,
    POOL,
    TENANT,
    azure,
    create,
    delete,
    refused,
    sample,
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


def test_a_read_of_what_is_gone_says_so(provider: Provider, cloud: Cloud) -> None:
    cloud.delete(CLUSTER)
    assert provider.read(f"azure-native:{_CLUSTER}", CLUSTER, sample(_CLUSTER), {}) is None
