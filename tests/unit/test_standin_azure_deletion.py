"""What goes with what in the simulated Azure, and what stays because it is in use or locked."""

from __future__ import annotations

from pathlib import Path

import pytest

from rehearsal.providers.azure.cloud import Cloud
from rehearsal.providers.azure.errors import ArmError
from rehearsal.providers.azure.provider import Provider
from tests.unit.standin_azure_samples import (
    CLUSTER,
    GROUP,
    IDENTITY,
    NETWORK,
    POOL,
    SUBNET,
    VAULT,
    create,
    delete,
    refused,
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
