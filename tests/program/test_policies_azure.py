"""The policy pack on what Azure is asked for: the declared resources meet it, and each broken field is noticed."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from policies import azure_rules
from policies.evaluate import resource_findings
from policies.finding import Resource
from tests.program.aks_declared import Declare, declare
from tests.program.policies_seen import resources
from tests.unit.aks_samples import GPU, aks, pools

__all__ = ["declare"]
pytestmark = pytest.mark.program

ACCOUNT = Resource(
    "azure-native:storage:StorageAccount",
    "state",
    {
        "allowBlobPublicAccess": False,
        "allowSharedKeyAccess": False,
        "enableHttpsTrafficOnly": True,
        "minimumTlsVersion": "TLS1_2",
        "publicNetworkAccess": "Disabled",
    },
)
"""No program of ours makes one; a site's state lies in one."""

KINDS = {
    "ManagedCluster": "cloud-aks",
    "AgentPool": "cloud-pool-gpu-nodes",
    "Vault": "cloud-keyvault",
    "Registry": "cloud-images",
}
FIELDS = {
    "ManagedCluster": azure_rules.CLUSTER,
    "AgentPool": azure_rules.POOL,
    "Vault": azure_rules.VAULT,
    "Registry": azure_rules.REGISTRY,
    "StorageAccount": azure_rules.ACCOUNT,
}
WEAK: dict[str, Any] = {
    "networkProfile.networkPolicy": "none",
    "networkProfile.outboundType": "loadBalancer",
    "addonProfiles.azureKeyvaultSecretsProvider.config.enableSecretRotation": "false",
    "sku.tier": "Free",
    "autoUpgradeProfile.upgradeChannel": "none",
    "autoUpgradeProfile.nodeOSUpgradeChannel": "None",
    "type": "AvailabilitySet",
    "maxPods": 30,
    "securityProfile.sshAccess": "LocalUser",
    "kubeletConfig.podMaxPids": 0,
    "upgradeSettings.drainTimeoutInMinutes": 30,
    "properties.publicNetworkAccess": "Enabled",
    "properties.networkAcls.defaultAction": "Allow",
    "publicNetworkAccess": "Enabled",
    "minimumTlsVersion": "TLS1_0",
}
"""A weak value of each field that is no switch."""

ROWS = [(kind, field) for kind, fields in FIELDS.items() for field in fields]
OTHERS: list[tuple[int, str, str, Any]] = [
    (55, "ManagedCluster", "apiServerAccessProfile.enablePrivateCluster", False),
    (55, "ManagedCluster", "apiServerAccessProfile.enablePrivateClusterPublicFQDN", True),
    (61, "ManagedCluster", "agentPoolProfiles.0.nodeTaints", []),
    (61, "ManagedCluster", "agentPoolProfiles.0.enableEncryptionAtHost", False),
    (57, "ManagedCluster", "agentPoolProfiles.0.enableNodePublicIP", True),
    (61, "AgentPool", "nodeTaints", []),
    (61, "AgentPool", "mode", "System"),
    (61, "AgentPool", "upgradeSettings.maxSurge", "1"),
    (61, "AgentPool", "minCount", 2),
]


def good(declare: Declare, kind: str) -> Resource:
    if kind == "StorageAccount":
        return ACCOUNT
    declared = {one.name: one for one in resources(declare(aks(pools=pools(gpu=GPU))))}
    return declared[KINDS[kind]]


def broken(resource: Resource, path: str, value: Any) -> Resource:
    """The resource with another value at a path, which must be there or be a switch that is off."""
    inputs: Any = copy.deepcopy(dict(resource.inputs))
    *folders, last = path.split(".")
    place = inputs
    for step in folders:
        place = place[int(step)] if step.isdigit() else place[step]
    assert place.get(last) != value
    place[last] = value
    return replace(resource, inputs=inputs)


@pytest.mark.parametrize("kind", FIELDS)
def test_controls_55_to_62_hold_for_what_is_declared(declare: Declare, kind: str) -> None:
    assert [str(one) for one in resource_findings(good(declare, kind))] == []


@pytest.mark.parametrize(("kind", "field"), ROWS, ids=[f"{kind}-{field.path}" for kind, field in ROWS])
def test_a_weak_field_is_noticed_by_its_control(declare: Declare, kind: str, field: azure_rules.Field) -> None:
    whole = good(declare, kind)
    now: Any = whole.inputs
    for step in field.path.split("."):
        now = now[step]
    weak = (not now) if isinstance(now, bool) else WEAK[field.path]
    found = list(resource_findings(broken(whole, field.path, weak)))
    assert (field.control, field.path) in {(one.control, one.path) for one in found}, found
    assert {one.control for one in found} == {field.control}
    # What is left to Azure's own default is not met either.
    removed = broken(whole, field.path, None)
    assert field.control in {one.control for one in resource_findings(removed)}


@pytest.mark.parametrize(("control", "kind", "path", "value"), OTHERS, ids=[f"{row[1]}-{row[2]}" for row in OTHERS])
def test_what_depends_on_another_field_is_noticed(
    declare: Declare,
    control: int,
    kind: str,
    path: str,
    value: Any,
) -> None:
    found = list(resource_findings(broken(good(declare, kind), path, value)))
    assert {one.control for one in found} >= {control}, found


def test_control_55_a_public_api_server_has_ranges_that_are_not_everybody(declare: Declare) -> None:
    spec = aks(private=False, authorized_ranges=("198.51.100.0/24",))
    (whole,) = [one for one in resources(declare(spec)) if one.type.endswith(":ManagedCluster")]
    assert list(resource_findings(whole)) == []
    for ranges in ([], ["0.0.0.0/0"], ["198.51.100.0/24", "::/0"]):
        weak = broken(whole, "apiServerAccessProfile.authorizedIPRanges", ranges)
        assert [one.control for one in resource_findings(weak)] == [55]


@pytest.mark.parametrize("token", ["azure-native:keyvault:Vault", "azure-native:keyvault/v20240401:Vault"])
def test_a_rule_is_for_every_version_of_the_interface(token: str) -> None:
    assert azure_rules.rule_for(token) is not None


def test_a_kind_without_rule_has_none() -> None:
    assert azure_rules.rule_for("azure-native:network:Subnet") is None
    assert azure_rules.rule_for("random:index:RandomId") is None
