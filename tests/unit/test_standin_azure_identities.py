"""Identities, roles and vaults in the simulated Azure, beside those that exist or were deleted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rehearsal.providers.azure.cloud import Cloud
from rehearsal.providers.azure.errors import ArmError
from rehearsal.providers.azure.provider import Provider
from rehearsal.providers.azure.store import Record
from rehearsal.providers.azure.writing import Writing
from tests.unit.standin_azure_samples import (
    IDENTITY,
    ROLES,
    TENANT,
    VAULT,
    assign,
    create,
    delete,
    refused,
    sample,
    update,
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
    arm_id = f"{IDENTITY}/federatedIdentityCredentials/c{number}"
    kind = "managedidentity:FederatedIdentityCredential"
    return Record(id=arm_id, resource_type=kind, state="Succeeded", inputs={"subject": subject})


def test_two_credentials_of_one_identity_cannot_be_written_at_once(provider: Provider) -> None:
    kind = "managedidentity:FederatedIdentityCredential"
    other = f"{IDENTITY}/federatedIdentityCredentials/other"
    create(provider, "managedidentity:UserAssignedIdentity", resourceName="two")
    with Writing(provider.manager.store, kind, other, 0):
        with refused("ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity"):
            create(provider, kind)
        arm_id, _ = create(provider, kind, resourceName="two")
    create(provider, kind)
    with Writing(provider.manager.store, kind, other, 0), pytest.raises(ArmError, match="are written concurrently"):
        delete(provider, kind, f"{IDENTITY}/federatedIdentityCredentials/chat")
    delete(provider, kind, arm_id)


def test_the_write_of_a_process_that_was_killed_is_over(provider: Provider, tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", "pass"])
    gone.wait()
    (tmp_path / "writes.json").write_text(json.dumps({IDENTITY.lower(): [gone.pid, 1.0]}))
    create(provider, "managedidentity:FederatedIdentityCredential")


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
