"""What the stand-in makes of changed inputs: nothing, an update, or a replacement; and what it fills in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rehearsal.providers.azure.catalogue import catalogue
from rehearsal.providers.azure.difference import Change, changes, delete_before_replace
from rehearsal.providers.azure.naming import RANDOM_NAME
from rehearsal.providers.azure.projection import as_inputs, previewed, refreshed
from rehearsal.providers.azure.provider import Provider
from rehearsal.providers.azure.schema_cache import schema
from rehearsal.providers.azure.values import UNKNOWN, at, received, sent
from tests.unit.standin_azure_samples import IDENTITY, SYSTEM_POOL, azure, create, sample

pytestmark = pytest.mark.unit
CLUSTER, POOL = "containerservice:ManagedCluster", "containerservice:AgentPool"
SEED = b"seed"


def diff(resource_type: str, **changed: Any) -> list[Change]:
    return changes(catalogue()[resource_type], sample(resource_type), sample(resource_type, **changed))


def test_the_same_inputs_are_no_change() -> None:
    assert diff(POOL) == []


@pytest.mark.parametrize(
    ("resource_type", "changed", "path"),
    [
        (POOL, {"vmSize": "Standard_NC8as_T4_v3"}, "vmSize"),
        (POOL, {"gpuInstanceProfile": "MIG1g"}, "gpuInstanceProfile"),
        (POOL, {"agentPoolName": "other"}, "agentPoolName"),
        (POOL, {"resourceName": "other"}, "resourceName"),
        (POOL, {"resourceGroupName": "other"}, "resourceGroupName"),
        (CLUSTER, {"location": "northeurope"}, "location"),
        (CLUSTER, {"dnsPrefix": "other"}, "dnsPrefix"),
        (CLUSTER, {"nodeResourceGroup": "other"}, "nodeResourceGroup"),
        ("keyvault:Vault", {"vaultName": "other"}, "vaultName"),
        ("network:VirtualNetwork", {"location": "northeurope"}, "location"),
        ("resources:ResourceGroup", {"location": "northeurope"}, "location"),
    ],
)
def test_some_changes_replace_the_resource(resource_type: str, changed: dict[str, Any], path: str) -> None:
    (change,) = diff(resource_type, **changed)
    assert (change.path, change.replaces) == (path, True)


@pytest.mark.parametrize(
    ("resource_type", "changed", "path", "kind"),
    [
        (POOL, {"count": 1}, "count", "update"),
        (POOL, {"maxCount": 3}, "maxCount", "update"),
        (POOL, {"nodeTaints": ["sku=gpu:NoSchedule", "a=b:NoSchedule"]}, "nodeTaints[1]", "add"),
        (POOL, {"nodeTaints": None}, "nodeTaints", "delete"),
        (POOL, {"osDiskType": "Managed"}, "osDiskType", "add"),
        (CLUSTER, {"kubernetesVersion": "1.35"}, "kubernetesVersion", "update"),
        (CLUSTER, {"agentPoolProfiles": [SYSTEM_POOL | {"count": 4}]}, "agentPoolProfiles[0].count", "update"),
        (CLUSTER, {"agentPoolProfiles": [SYSTEM_POOL | {"vmSize": "X"}]}, "agentPoolProfiles[0].vmSize", "update"),
    ],
)
def test_all_others_update_it(resource_type: str, changed: dict[str, Any], path: str, kind: str) -> None:
    assert diff(resource_type, **changed) == [Change(path, kind, replaces=False)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "replaces"),
    [("podCidr", True), ("networkPolicy", True), ("advancedNetworking", False), ("loadBalancerProfile", False)],
)
def test_of_a_clusters_network_only_some_parts_replace_it(name: str, replaces: bool) -> None:
    old, new = ({"networkProfile": {name: {"a": value}}} for value in (1, 2))
    (change,) = changes(catalogue()[CLUSTER], old, new)
    assert (change.path, change.replaces) == (f"networkProfile.{name}.a", replaces)


def test_a_location_is_the_same_however_it_is_spelled() -> None:
    assert diff(CLUSTER, location="West Europe") == []


def test_what_is_not_known_yet_is_a_change() -> None:
    assert diff(POOL, vmSize=UNKNOWN) == [Change("vmSize", "update", replaces=True)]
    assert diff(POOL, count=UNKNOWN) == [Change("count", "update", replaces=False)]


def test_a_resource_with_a_fixed_name_goes_before_its_replacement_comes() -> None:
    found = diff(POOL, vmSize="Standard_NC8as_T4_v3")
    assert delete_before_replace(found, sample(POOL))
    assert not delete_before_replace(found, sample(POOL) | {RANDOM_NAME: True})
    assert not delete_before_replace(diff(POOL, count=1), sample(POOL))


def check(provider: Provider, resource_type: str, olds: dict[str, Any] | None = None, **changed: Any) -> dict[str, Any]:
    urn = f"urn:pulumi:t::p::azure-native:{resource_type}::thing"
    pulumi_type = f"azure-native:{resource_type}"
    inputs, failures = provider.check(pulumi_type, urn, SEED, None, olds or {}, sample(resource_type, **changed))
    assert failures == []
    return inputs


def test_names_that_the_program_leaves_out_are_made_as_the_plugin_makes_them(tmp_path: Path) -> None:
    provider = azure(tmp_path)
    cluster = check(provider, CLUSTER, resourceName=None)
    assert cluster["resourceName"].startswith("thing")
    assert len(cluster["resourceName"]) == len("thing") + 8
    assert cluster[RANDOM_NAME] is True
    assert check(provider, POOL, agentPoolName=None)["agentPoolName"] == "thing"
    again = check(provider, CLUSTER, olds=cluster, resourceName=None)
    assert again["resourceName"] == cluster["resourceName"]


def test_pulumis_own_naming_is_followed(tmp_path: Path) -> None:
    pulumi_type, news = f"azure-native:{CLUSTER}", sample(CLUSTER, resourceName=None)
    named, _ = azure(tmp_path).check(pulumi_type, "urn::thing", SEED, "proposed-1", {}, news)
    assert named["resourceName"] == "proposed-1"
    _, failures = azure(tmp_path).check(pulumi_type, "urn::thing", SEED, "", {}, news)
    assert [failure.path for failure in failures] == ["resourceName"]


def test_the_api_version_and_the_groups_place_are_filled_in(tmp_path: Path) -> None:
    provider = azure(tmp_path)
    create(provider, "resources:ResourceGroup", location="northeurope")
    cluster = check(provider, CLUSTER, location=None)
    assert (cluster["location"], cluster["azureApiVersion"]) == ("northeurope", "2025-09-01")
    assert check(provider, CLUSTER, location=None, resourceGroupName=UNKNOWN)["location"] is UNKNOWN
    assert check(provider, CLUSTER, olds={"location": "uksouth"}, location=None)["location"] == "uksouth"


def test_a_type_that_is_not_simulated_is_refused_with_what_to_do(tmp_path: Path) -> None:
    from rehearsal.providers.azure.errors import PluginError

    with pytest.raises(PluginError, match=r"does not simulate azure-native:storage:StorageAccount.*resources\.toml"):
        azure(tmp_path).row("azure-native:storage:StorageAccount")


def test_a_preview_knows_what_was_put_in_and_nothing_else() -> None:
    outputs = previewed(schema(), CLUSTER, sample(CLUSTER))
    assert outputs["dnsPrefix"] == "slm"
    assert outputs["fqdn"] is UNKNOWN
    assert outputs["oidcIssuerProfile"] == {"enabled": True, "issuerURL": UNKNOWN}
    assert at(outputs, "identity.principalId") is UNKNOWN
    assert at(outputs, "identity.userAssignedIdentities") is UNKNOWN
    assert outputs["agentPoolProfiles"][0]["vmSize"] == "Standard_D4as_v5"
    assert outputs["agentPoolProfiles"][0]["nodeImageVersion"] is UNKNOWN


def test_outputs_become_inputs_again_without_what_only_comes_out() -> None:
    outputs = {
        "fqdn": "x",
        "oidcIssuerProfile": {"enabled": True, "issuerURL": "https://i/"},
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {IDENTITY: {"clientId": "c"}}},
    }
    assert as_inputs(schema(), CLUSTER, outputs) == {
        "oidcIssuerProfile": {"enabled": True},
        "identity": {"type": "UserAssigned", "userAssignedIdentities": [IDENTITY]},
    }


def test_a_refresh_takes_over_what_changed_and_nothing_that_azure_took_by_itself() -> None:
    inputs = {"count": 1, "nodeTaints": ["a"], "upgradeSettings": {"maxSurge": "1"}}
    before = {**inputs, "osDiskType": "Managed", "nodeLabels": {"x": "1"}}
    assert refreshed(inputs, before, before) == inputs
    now = {**before, "count": 2, "nodeLabels": {"x": "2"}}
    assert refreshed(inputs, before, now) == {**inputs, "count": 2, "nodeLabels": {"x": "2"}}
    assert refreshed(inputs, before, {k: v for k, v in before.items() if k != "nodeTaints"}) == {
        "count": 1,
        "upgradeSettings": {"maxSurge": "1"},
    }


def test_values_survive_the_way_over_the_wire() -> None:
    value = {"n": 3, "f": 1.5, "s": "x", "b": True, "l": [1, {"a": UNKNOWN}], "m": {}}
    assert received(sent(value)) == value
    assert isinstance(received(sent({"n": 3}))["n"], int)
