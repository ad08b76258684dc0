"""What the stand-in reads out of the azure-native SDK, and what it refuses by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rehearsal.providers.azure import schema_cache
from rehearsal.providers.azure.catalogue import catalogue
from rehearsal.providers.azure.schema import Schema
from rehearsal.providers.azure.schema_cache import schema
from rehearsal.providers.azure.shape_check import shape_failures
from rehearsal.providers.azure.values import UNKNOWN
from tests.unit.standin_azure_samples import SAMPLES, sample

pytestmark = pytest.mark.unit
CLUSTER, POOL = "containerservice:ManagedCluster", "containerservice:AgentPool"


def reasons(resource_type: str, **changed: Any) -> dict[str, str]:
    return {f.path: f.reason for f in shape_failures(schema(), resource_type, sample(resource_type, **changed))}


def walk(resource_type: str, path: str) -> Any:
    """The shape of an input, by its path of wire names; `[]` stands for the items of a list."""
    shape, fields = None, schema().resources[resource_type].inputs
    for name in path.split("."):
        shape = fields[name.removesuffix("[]")]
        shape = shape.of if name.endswith("[]") and shape.of else shape
        fields = schema().fields_of(shape)
    return shape


@pytest.mark.parametrize(
    ("resource_type", "path", "kind"),
    [
        (POOL, "osDiskSizeGB", "integer"),
        (POOL, "vnetSubnetID", "string"),
        (POOL, "nodeTaints", "list"),
        (POOL, "nodeLabels", "map"),
        (POOL, "spotMaxPrice", "number"),
        (POOL, "securityProfile.enableVTPM", "boolean"),
        (POOL, "upgradeSettings.drainTimeoutInMinutes", "integer"),
        (CLUSTER, "oidcIssuerProfile.enabled", "boolean"),
        (CLUSTER, "identity.userAssignedIdentities", "list"),
        (CLUSTER, "apiServerAccessProfile.privateDNSZone", "string"),
        (CLUSTER, "networkProfile.advancedNetworking.security.advancedNetworkPolicies", "string"),
        (CLUSTER, "securityProfile.azureKeyVaultKms.keyVaultResourceId", "string"),
        (CLUSTER, "addonProfiles", "map"),
        (CLUSTER, "agentPoolProfiles[].enableEncryptionAtHost", "boolean"),
        ("keyvault:Vault", "properties.networkAcls.ipRules[].value", "string"),
        ("network:VirtualNetwork", "subnets[].natGateway.id", "string"),
        ("dashboard:Grafana", "properties.grafanaIntegrations", "object"),
    ],
)
def test_wire_names_and_types_are_the_sdks(resource_type: str, path: str, kind: str) -> None:
    assert walk(resource_type, path).kind == kind


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("mode", {"System", "User", "Gateway"}),
        ("gpuInstanceProfile", {"MIG1g", "MIG2g", "MIG3g", "MIG4g", "MIG7g"}),
        ("gpuProfile.driver", {"Install", "None"}),
        ("scaleSetPriority", {"Spot", "Regular"}),
        ("osDiskType", {"Managed", "Ephemeral"}),
    ],
)
def test_enumerations_are_the_sdks(path: str, values: set[str]) -> None:
    assert set(walk(POOL, path).values) == values


@pytest.mark.parametrize(
    ("resource_type", "version"),
    [
        (CLUSTER, "2025-09-01"),
        ("containerregistry:Registry", "2023-01-01-preview"),
        ("managedidentity:FederatedIdentityCredential", "2023-01-31"),
        ("keyvault:Vault", "2024-11-01"),
        ("network:Subnet", "2024-05-01"),
    ],
)
def test_the_version_of_azures_api_is_the_sdks_default(resource_type: str, version: str) -> None:
    assert schema().resources[resource_type].api_version == version


def test_what_only_comes_out_is_known_from_the_outputs() -> None:
    outputs = schema().resources[CLUSTER].outputs
    assert {"fqdn", "privateFQDN", "nodeResourceGroup", "identityProfile", "provisioningState"} <= outputs.keys()
    assert "issuerURL" in schema().fields_of(outputs["oidcIssuerProfile"])
    assert "issuerURL" not in schema().fields_of(walk(CLUSTER, "oidcIssuerProfile"))


@pytest.mark.parametrize("resource_type", sorted(catalogue()))
def test_every_path_of_the_table_of_resources_is_one_of_the_sdk(resource_type: str) -> None:
    row = catalogue()[resource_type]
    for path in (*row.path_inputs, *row.replaces, *row.immutable, *row.parts):
        assert walk(resource_type, path), path


@pytest.mark.parametrize("resource_type", sorted(SAMPLES))
def test_good_inputs_have_no_failures(resource_type: str) -> None:
    assert reasons(resource_type) == {}


def test_an_unknown_property_is_named_with_what_was_probably_meant() -> None:
    found = reasons(POOL, gpuProfile={"drvier": "Install"}, vmSise="Standard_D4as_v5")
    assert found["vmSise"] == "unknown property 'vmSise'; did you mean 'vmSize'?"
    assert found["gpuProfile.drvier"] == "unknown property 'gpuProfile.drvier'; did you mean 'driver'?"


def test_a_property_that_resembles_none_is_answered_with_the_known_ones() -> None:
    assert "known are driver" in reasons(POOL, gpuProfile={"zzz": 1})["gpuProfile.zzz"]


def test_a_missing_required_property_is_named() -> None:
    assert reasons("containerregistry:Registry", sku=None)["sku"] == "missing required property 'sku'"
    pools = [{"mode": "System"}]
    assert "agentPoolProfiles[0].name" in reasons(CLUSTER, agentPoolProfiles=pools)


@pytest.mark.parametrize(
    ("changed", "path", "words"),
    [
        ({"count": "abc"}, "count", "'count' should be an integer but got 'abc'"),
        ({"count": 1.5}, "count", "should be an integer"),
        ({"count": True}, "count", "should be an integer but got True"),
        ({"enableAutoScaling": "true"}, "enableAutoScaling", "should be a boolean but got 'true'"),
        ({"nodeTaints": "a=b:NoSchedule"}, "nodeTaints", "should be a list"),
        ({"nodeTaints": [3]}, "nodeTaints[0]", "should be a string but got 3"),
        ({"nodeLabels": {"a": 1}}, "nodeLabels.a", "should be a string but got 1"),
        ({"gpuProfile": ["Install"]}, "gpuProfile", "should be an object"),
    ],
)
def test_a_wrong_type_is_refused_at_its_path(changed: dict[str, Any], path: str, words: str) -> None:
    assert words in reasons(POOL, **changed)[path]


def test_a_value_that_the_enumeration_lacks_is_refused_with_the_nearest_and_all_others() -> None:
    found = reasons(POOL, osSKU="Ubunut", gpuProfile={"driver": "Bogus"})
    assert "'Ubunut' is no value of 'osSKU'; did you mean 'Ubuntu'?" in found["osSKU"]
    assert "it is one of Install, None" in found["gpuProfile.driver"]


def test_what_is_not_known_yet_is_let_through() -> None:
    assert reasons(POOL, count=UNKNOWN, gpuProfile={"driver": UNKNOWN}, nodeTaints=[UNKNOWN]) == {}


def test_the_cache_gives_back_what_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLM_CACHE", str(tmp_path))
    read: list[object] = []

    def introspect(resource_types: list[str]) -> Schema:
        read.append(resource_types)
        return schema()

    monkeypatch.setattr("rehearsal.providers.azure.introspection.introspect", introspect)
    fresh = schema_cache.schema.__wrapped__
    assert fresh() == fresh() == schema()
    assert len(read) == 1
    (file,) = (tmp_path / "rehearsal").iterdir()
    file.write_text(file.read_text()[:100])
    assert fresh() == schema()
    assert len(read) == 2
