"""What Azure refuses of networks, vaults, registries, identities, logs and budgets, by the stand-in's rules."""

from __future__ import annotations

from typing import Any

import pytest

from rehearsal.providers.azure.rules import rule_failures
from rehearsal.providers.azure.rules.identity import roles
from rehearsal.providers.azure.values import UNKNOWN
from tests.unit.standin_azure_samples import ROLES, SAMPLES, TENANT, VAULT, sample

pytestmark = pytest.mark.unit
SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"


def reasons(resource_type: str, **changed: Any) -> dict[str, str]:
    return {f.path: f.reason for f in rule_failures(resource_type, sample(resource_type, **changed))}


def properties(resource_type: str, **changed: Any) -> dict[str, Any]:
    return {"properties": SAMPLES[resource_type]["properties"] | changed}


def subnets(*prefixes: str) -> dict[str, Any]:
    return {"subnets": [{"name": f"s{i}", "addressPrefix": prefix} for i, prefix in enumerate(prefixes)]}


@pytest.mark.parametrize("resource_type", sorted(SAMPLES))
def test_good_resources_are_let_through(resource_type: str) -> None:
    assert reasons(resource_type) == {}


@pytest.mark.parametrize("resource_type", sorted(SAMPLES))
def test_nothing_is_said_about_what_is_not_known_yet(resource_type: str) -> None:
    assert reasons(resource_type, **dict.fromkeys(SAMPLES[resource_type], UNKNOWN)) == {}


@pytest.mark.parametrize(
    ("resource_type", "name", "good", "bad"),
    [
        ("resources:ResourceGroup", "resourceGroupName", "a", "ends."),
        ("keyvault:Vault", "vaultName", "a-b-1", "a--b"),
        ("keyvault:Vault", "vaultName", "abc", "ab"),
        ("keyvault:Vault", "vaultName", "a" * 24, "a" * 25),
        ("keyvault:Vault", "vaultName", "Abc", "1bc"),
        ("keyvault:Secret", "secretName", "a-1", "a_1"),
        ("containerregistry:Registry", "registryName", "abc12", "abc1"),
        ("containerregistry:Registry", "registryName", "a" * 50, "abc-12"),
        ("operationalinsights:Workspace", "workspaceName", "abcd", "abc"),
        ("managedidentity:UserAssignedIdentity", "resourceName", "abc", "-ab"),
        ("network:Subnet", "subnetName", "a_b.c_", "-a"),
        ("consumption:Budget", "budgetName", "month-1", "month 1"),
    ],
)
def test_names_are_those_that_azure_takes(resource_type: str, name: str, good: str, bad: str) -> None:
    assert reasons(resource_type, **{name: good}) == {}
    assert "InvalidResourceName" in reasons(resource_type, **{name: bad})[name]


@pytest.mark.parametrize(
    ("resource_type", "changed", "path", "words"),
    [
        ("network:VirtualNetwork", {"addressSpace": {"addressPrefixes": []}}, "addressSpace.addressPrefixes", "needs"),
        (
            "network:VirtualNetwork",
            {"addressSpace": {"addressPrefixes": ["10.1.0.0"]}} | subnets("10.1.0.0/33"),
            "subnets[0].addressPrefix",
            "InvalidAddressPrefixFormat",
        ),
        ("network:VirtualNetwork", subnets("10.2.0.0/24"), "subnets[0]", "NetcfgSubnetRangeOutsideVnet"),
        ("network:VirtualNetwork", subnets("10.1.0.0/24", "10.1.0.128/25"), "subnets", "NetcfgSubnetRangesOverlap"),
        ("network:Subnet", {"addressPrefix": "10.1.0.0/30"}, "addressPrefix", "the smallest subnet is /29"),
        ("network:Subnet", {"addressPrefix": None}, "addressPrefix", "needs an address range"),
        ("network:PublicIPAddress", {"publicIPAllocationMethod": "Dynamic"}, "publicIPAllocationMethod", "Static"),
        ("network:PublicIPAddress", {"sku": {"name": "Basic"}}, "sku.name", "since 2025-09-30"),
        ("keyvault:Vault", properties("keyvault:Vault", enablePurgeProtection=False),
         "properties.enablePurgeProtection", "irreversible"),
        ("keyvault:Vault", properties("keyvault:Vault", enableSoftDelete=False), "properties.enableSoftDelete", "off"),
        ("keyvault:Vault", properties("keyvault:Vault", softDeleteRetentionInDays=6),
         "properties.softDeleteRetentionInDays", "between 7 and 90"),
        ("keyvault:Vault", properties("keyvault:Vault", tenantId="mine"), "properties.tenantId", "GUID"),
        ("keyvault:Vault", properties("keyvault:Vault", enableRbacAuthorization=False), "properties.accessPolicies",
         "accessPolicies is not specified"),
        ("keyvault:Secret", {"properties": {}}, "properties.value", "needs a value"),
        ("keyvault:Secret", {"properties": {"value": "x" * 25_601}}, "properties.value", "25 KB"),
        ("containerregistry:Registry", {"publicNetworkAccess": "Disabled"}, "publicNetworkAccess", "tier Premium"),
        ("containerregistry:Registry", {"policies": {"retentionPolicy": {"status": "enabled"}}},
         "policies.retentionPolicy.status", "tier Premium"),
        ("containerregistry:Registry", {"sku": {"name": "Basic"}, "anonymousPullEnabled": True},
         "anonymousPullEnabled", "Standard and Premium"),
        ("operationalinsights:Workspace", {"retentionInDays": 14}, "retentionInDays", "between 30 and 730"),
        ("managedidentity:FederatedIdentityCredential", {"subject": None}, "subject", "must specify"),
        ("managedidentity:FederatedIdentityCredential", {"audiences": ["a", "b"]}, "audiences", "exactly one"),
        ("managedidentity:FederatedIdentityCredential", {"issuer": "http://x"}, "issuer", "https://"),
        ("managedidentity:FederatedIdentityCredential", {"subject": "system:x"}, "subject", "no service"),
        ("consumption:Budget", {"amount": 0}, "amount", "above zero"),
        ("consumption:Budget", {"timePeriod": {"startDate": "2026-11-02"}}, "timePeriod.startDate", "first day"),
        ("consumption:Budget", {"notifications": {"n": {"threshold": 1001}}}, "notifications.n.threshold", "1000"),
        ("consumption:Budget", {"notifications": {str(i): {} for i in range(6)}}, "notifications", "at most 5"),
    ],
)  # fmt: skip
def test_what_azure_would_refuse_is_refused_at_its_path(
    resource_type: str, changed: dict[str, Any], path: str, words: str
) -> None:
    assert words in reasons(resource_type, **changed)[path]


def test_a_secrets_value_is_in_no_message() -> None:
    assert "x" * 100 not in str(reasons("keyvault:Secret", properties={"value": "x" * 25_601}))


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ([("a", "Inbound", 99)], "Allowed range 100-4096"),
        ([("a", "Inbound", 100), ("b", "Inbound", 100)], "Rules a and b conflict"),
    ],
)
def test_priorities_of_security_rules_are_in_range_and_taken_once(
    rules: list[tuple[str, str, int]], words: str
) -> None:
    inputs = {
        "networkSecurityGroupName": "nsg",
        "securityRules": [{"name": n, "direction": d, "priority": p} for n, d, p in rules],
    }
    assert words in " ".join(f.reason for f in rule_failures("network:NetworkSecurityGroup", inputs))


def assignment(**changed: Any) -> dict[str, str]:
    inputs = {
        "scope": VAULT,
        "roleAssignmentName": "a30feb59-a753-4a15-a99b-7b9bd4b1d259",
        "principalId": TENANT,
        "principalType": "ServicePrincipal",
        "roleDefinitionId": f"{ROLES}/{SECRETS_USER}",
    } | changed
    return {f.path: f.reason for f in rule_failures("authorization:RoleAssignment", inputs)}


def test_a_role_assignment_names_a_guid_and_a_role_that_exists() -> None:
    assert assignment() == {}
    assert assignment(roleDefinitionId=f"/subscriptions/{TENANT}{ROLES}/{SECRETS_USER}") == {}
    assert "GUID" in assignment(principalId="somebody")["principalId"]
    assert "no role definition" in assignment(roleDefinitionId=SECRETS_USER)["roleDefinitionId"]
    mistyped = f"{ROLES}/{SECRETS_USER[:-1]}7"
    assert "RoleDefinitionDoesNotExist" in assignment(roleDefinitionId=mistyped)["roleDefinitionId"]


@pytest.mark.parametrize(
    ("role", "guid"),
    [
        ("AcrPull", "7f951dda-4ed3-4680-a7ca-43fe172d538d"),
        ("Key Vault Secrets User", SECRETS_USER),
        ("Network Contributor", "4d97b98b-1d4f-4787-a291-c67834d212e7"),
        ("Azure Kubernetes Service RBAC Cluster Admin", "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b"),
        ("Azure Kubernetes Service Cluster User Role", "4abbcc35-e782-43d8-92c5-2d3f1bd2253f"),
        ("Monitoring Data Reader", "b0d8363b-8ddd-447d-831f-62ca05bff136"),
    ],
)
def test_the_roles_of_the_reference_are_known(role: str, guid: str) -> None:
    assert roles()[guid] == role
