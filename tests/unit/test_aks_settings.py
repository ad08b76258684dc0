"""Settings of an AKS cluster: what is refused, with the harm and the fix, and what it says of itself."""

from __future__ import annotations

from typing import Any

import pytest
from pulumi_azure_native import containerservice
from pydantic import ValidationError

from components.targets.spec import Aks, Pool
from components.targets.spec.aks_pools import OsSku
from components.targets.spec.aks_production import production_problems
from tests.unit.aks_samples import A100, GENERAL, GROUP, SYSTEM, T4, aks, pools

pytestmark = pytest.mark.unit


def refusal(**fields: Any) -> str:
    with pytest.raises(ValidationError) as error:
        aks(**fields)
    return "; ".join(str(problem["msg"]).removeprefix("Value error, ") for problem in error.value.errors())


REFUSED: tuple[tuple[str, dict[str, Any], str, str], ...] = (
    ("53 API open to all", {"private": False}, "open to the internet", "private cluster or explicit ranges"),
    (
        "53 API open by range",
        {"private": False, "authorized_ranges": ("0.0.0.0/0",)},
        "lets the whole internet in",
        "private cluster or explicit ranges",
    ),
    ("53 ranges of a private API", {"authorized_ranges": ("203.0.113.0/24",)}, "no public ranges", "private: true"),
    ("54 no network", {"network": {"pods": "10.244.0.0/33"}}, "is no IPv4 range", "203.0.113.0/24"),
    (
        "54 pods and services overlap",
        {"network": {"pods": "10.0.0.0/15"}},
        "pods 10.0.0.0/15 overlaps with services 10.0.0.0/16",
        "choose ranges apart",
    ),
    (
        "54 pods and network overlap",
        {"network": {"pods": "10.224.128.0/17"}},
        "pods 10.224.128.0/17 overlaps with address_space 10.224.0.0/16",
        "choose ranges apart",
    ),
    (
        "54 two subnets overlap",
        {"network": {"api_server": "10.224.0.0/28"}},
        "nodes 10.224.0.0/20 overlaps with api_server 10.224.0.0/28",
        "choose ranges apart",
    ),
    ("54 subnet outside", {"network": {"nodes": "10.1.0.0/20"}}, "outside of address_space", "move it inside"),
    ("54 AKS's own range", {"network": {"pods": "172.30.0.0/16"}}, "overlaps with AKS's own 172.30.0.0/16", "apart"),
    ("54 name server outside", {"network": {"dns_service_ip": "10.9.0.10"}}, "must be in services", "use 10.0.0.10"),
    ("54 name server is the API's", {"network": {"dns_service_ip": "10.0.0.1"}}, "not its first", "use 10.0.0.10"),
    ("54 name server is none", {"network": {"dns_service_ip": "here"}}, "is no IPv4 address", "10.0.0.10"),
    ("54 API server's subnet", {"network": {"api_server": "10.224.16.0/29"}}, "too small", "/28 or larger"),
    (
        "54 subnet too small",
        {"network": {"nodes": "10.224.0.0/28"}},
        "room for 11 nodes, and the pools may grow to 12",
        "larger network.nodes",
    ),
    ("55 local accounts", {"local_accounts": True}, "always off (control 56)", "remove the line"),
    ("55 no network policy", {"network_policy": "none"}, "always enforced (control 57)", "remove the line"),
    ("56 unknown region", {"location": "westeuropa"}, "not in the list", "did you mean 'westeurope'?"),
    ("56 unknown GPU size", {"pools": pools(gpu={"vm_size": "Standard_NC7_v9", "gpus": 1})}, "not in the list", T4),
    (
        "56 zones of a region without",
        {"location": "westus", "pools": pools(system={**SYSTEM, "zones": ("1",)})},
        "westus has no zones, and system names some",
        "remove zones",
    ),
    ("V100", {"pools": pools(gpu={"vm_size": "Standard_NC6s_v3", "gpus": 1})}, "retired the NCv3 series", f"use {T4}"),
    ("K80", {"pools": pools(gpu={"vm_size": "Standard_NC6", "gpus": 1})}, "retired the first NC", f"use {T4}"),
    ("AMD", {"pools": pools(gpu={"vm_size": "Standard_NV8as_v4", "gpus": 1})}, "AMD's", f"use {T4}"),
    (
        "more GPUs",
        {"pools": pools(gpu={"vm_size": T4, "gpus": 4})},
        "gpus: 4, and a Standard_NC4as_T4_v3 has 1",
        "set gpus: 1",
    ),
    (
        "GPUs nobody uses",
        {"pools": pools(gpu={"vm_size": T4})},
        "no gpus, and a Standard_NC4as_T4_v3 has 1",
        "set gpus: 1",
    ),
    (
        "GPUs of auto",
        {"pools": pools(gpu={"vm_size": "auto", "gpus": 3})},
        "no VM size is known with 3 GPUs",
        "0, 1, 2, 4",
    ),
    ("no system pool", {"pools": {"general": GENERAL}}, "(here: none)", "mode: system on one pool"),
    ("two system pools", {"pools": pools(more=SYSTEM)}, "(here: system and more)", "mode: system on one pool"),
    (
        "no room for the gateway",
        {"pools": {"system": SYSTEM, "gpu": {"vm_size": T4, "gpus": 1}}},
        "nowhere to run",
        "add a pool without gpus",
    ),
    ("spot system", {"pools": pools(system={**SYSTEM, "spot": True})}, "taken away at any moment", "spot: false"),
    ("spot gateway", {"pools": pools(general={**GENERAL, "spot": True})}, "taken away with its spot", "spot: false"),
    ("system of none", {"pools": pools(system={**SYSTEM, "min_nodes": 0})}, "nowhere to run", "min_nodes: 1"),
    (
        "system with GPUs",
        {"pools": pools(system={**SYSTEM, "vm_size": T4, "gpus": 1})},
        "would serve nobody",
        "user pool",
    ),
    (
        "min above max",
        {"pools": pools(gpu={"vm_size": T4, "gpus": 1, "min_nodes": 3, "max_nodes": 2})},
        "min_nodes 3 is above max_nodes 2",
        "raise max_nodes",
    ),
    (
        "MIG of a T4",
        {"pools": pools(gpu={"vm_size": T4, "gpus": 1, "mig_profile": "MIG1g"})},
        "no GPU that MIG1g could cut",
        A100,
    ),
    (
        "MIG of anything",
        {"pools": pools(gpu={"vm_size": "auto", "gpus": 1, "mig_profile": "MIG1g"})},
        "may choose any",
        "name the size",
    ),
    (
        "old Azure Linux",
        {"pools": pools(system={**SYSTEM, "os_sku": "AzureLinux"})},
        "no security updates",
        "AzureLinux3",
    ),
    ("Windows", {"pools": pools(system={**SYSTEM, "os_sku": "Windows2022"})}, "are for Linux", "use Ubuntu"),
    ("long pool name", {"pools": pools(averylongname1=GENERAL)}, "should match pattern", ""),
    ("public without ranges", {"exposure": "public"}, "lets the whole internet in", "name the ranges"),
    (
        "public to all",
        {"exposure": "public", "source_ranges": ("0.0.0.0/0",)},
        "lets the whole internet in",
        "name the",
    ),
    (
        "public without a vault",
        {"exposure": "public", "source_ranges": ("203.0.113.0/24",), "vault": None},
        "TLS certificate from a vault",
        "add vault",
    ),
    (
        "ranges of an internal way in",
        {"source_ranges": ("203.0.113.0/24",)},
        "no public ranges",
        "remove source_ranges",
    ),
    ("KMS without a vault", {"kms": True, "vault": None}, "is lost", "add vault with purge_protection"),
    (
        "KMS with a vault that forgets",
        {"kms": True, "vault": {"name": "slm-v", "purge_protection": False}},
        "is lost",
        "purge_protection",
    ),
    ("KMS from outside", {"kms": True, "vnet_integration": False}, "only from inside", "vnet_integration: true"),
    ("adopting from nowhere", {"adopt": True}, "named by its subscription", "set subscription_id"),
    ("vault name", {"vault": {"name": "a--b"}}, "no name for a vault", "single hyphens"),
    ("retention", {"vault": {"name": "slm-v", "soft_delete_days": 0}}, "greater than or equal to 7", ""),
    ("upgrades off", {"upgrade_channel": "none"}, "should be 'patch'", ""),
    ("node upgrades off", {"node_upgrade_channel": "None"}, "should be 'NodeImage'", ""),
    ("window too short", {"maintenance": {"hours": 1}}, "greater than or equal to 4", ""),
)


@pytest.mark.parametrize(("case", "fields", "harm", "fix"), REFUSED, ids=[case for case, *_ in REFUSED])
def test_a_bad_description_is_refused_with_harm_and_fix(case: str, fields: dict[str, Any], harm: str, fix: str) -> None:
    text = refusal(**fields)
    assert harm in text
    assert fix in text


def test_the_sample_is_good_and_may_be_in_production() -> None:
    assert production_problems(aks()) == []


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"tier": "Free"}, "tier: Free has no promised uptime (control 60)"),
        ({"vault": None}, "add vault"),
        ({"vault": {"name": "slm-v", "purge_protection": False}}, "vault.purge_protection"),
        ({"admin_group_ids": ()}, "admin_group_ids is empty"),
        ({"protect": {"cluster": False}}, "protect.cluster"),
        ({"protect": {"vault": False}}, "protect.vault"),
        ({"protect": {"data": False}}, "protect.data"),
        ({"retain": {"vault": False}}, "retain.vault"),
        ({"retain": {"data": False}}, "retain.data"),
        ({"pools": pools(system={**SYSTEM, "min_nodes": 1})}, "pools.system: one system node"),
    ],
)
def test_control_67_and_57_of_the_bad_configs_production_names_each_thing_that_is_missing(
    fields: dict[str, Any], named: str
) -> None:
    (problem,) = production_problems(aks(**fields))
    assert problem.startswith(named) or named in problem
    assert " — " in problem


def test_every_kind_of_operating_system_is_one_that_azure_knows() -> None:
    known = {sku.value for sku in containerservice.OSSKU}
    assert set(OsSku.__args__) <= known  # type: ignore[attr-defined]


def test_channels_tiers_and_profiles_are_azures_own_words() -> None:
    def words(field: str) -> set[str]:
        annotation = Aks.model_fields[field].annotation
        return set(getattr(annotation, "__args__", ()))

    assert words("upgrade_channel") <= {value.value for value in containerservice.UpgradeChannel}
    assert words("node_upgrade_channel") <= {value.value for value in containerservice.NodeOSUpgradeChannel}
    assert words("tier") == {value.value for value in containerservice.ManagedClusterSKUTier}


def test_a_workload_goes_to_the_first_pool_whose_nodes_have_enough_gpus() -> None:
    target = aks(pools=pools(pair={"vm_size": "Standard_NC48ads_A100_v4", "gpus": 2}, other=GENERAL))
    assert [target.pool_for(gpus) for gpus in (0, 1, 2, 3)] == ["general", "gpu", "pair", None]
    assert target.general_name == "general"
    assert target.system[0] == "system"


def test_a_cluster_counts_the_instances_of_cut_gpus() -> None:
    cut = {"vm_size": A100, "gpus": 1, "max_nodes": 3, "mig_profile": "MIG1g"}
    assert aks(pools=pools(cut=cut)).gpus == 2 + 7 * 3
    assert Pool.model_validate(cut).offered == 7


def test_nodes_without_gpus_are_spread_over_zones_where_a_region_has_them() -> None:
    assert aks().zones_of("general") == ("1", "2", "3")
    assert aks().zones_of("gpu") == ()
    assert aks(location="westus").zones_of("general") == ()
    assert aks(pools=pools(general={**GENERAL, "zones": ("2",)})).zones_of("general") == ("2",)


def test_ids_of_groups_are_ids() -> None:
    assert aks(admin_group_ids=(GROUP,)).admin_group_ids == (GROUP,)
    assert "pattern" in refusal(admin_group_ids=("admins",))
