"""What resources of Azure show of the controls 55 to 62: field by field, in Pulumi's words (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from policies.finding import Finding, Resource, Rule, value

Holds = Callable[[Any], bool]
MIN_PODS = 50
LONGEST_DRAIN_MINUTES = 60


def _is(*allowed: Any) -> Holds:
    # True is 1 in Python, and no level of anything is a truth.
    return lambda given: any(given == one and type(given) is type(one) for one in allowed)


def _given(given: Any) -> bool:
    return bool(given)


def _not(*refused: Any) -> Holds:
    return lambda given: given is not None and given not in refused


def _at_least(least: int) -> Holds:
    return lambda given: isinstance(given, int) and given >= least


ON = _is(True)
OFF = _is(False)


@dataclass(frozen=True)
class Field:
    """An input of a resource that a control is about."""

    control: int
    path: str
    holds: Holds
    harm: str
    fix: str

    def found(self, kind: str, resource: Resource, prefix: str = "", inputs: Any = None) -> Iterator[Finding]:
        """The finding, if it does not hold."""
        if not self.holds(value(resource.inputs if inputs is None else inputs, *self.path.split("."))):
            yield Finding(self.control, f"{kind}/{resource.name}", f"{prefix}{self.path}", self.harm, self.fix)


OTHERS = "whoever finds it may try"
CLUSTER = (
    Field(55, "apiServerAccessProfile.disableRunCommand", ON, "commands run past Kubernetes' own rights", "true"),
    Field(56, "disableLocalAccounts", ON, "a certificate that nobody can take back opens it", "true"),
    Field(56, "enableRBAC", ON, "whoever is in may do everything", "true"),
    Field(56, "aadProfile.managed", ON, "nobody knows who does what", "true"),
    Field(56, "aadProfile.enableAzureRBAC", ON, "rights are in two places", "true"),
    Field(57, "networkProfile.networkPolicy", _is("cilium", "calico", "azure"), "network policies are words", "cilium"),
    Field(
        57,
        "networkProfile.outboundType",
        _is("userAssignedNATGateway", "userDefinedRouting", "managedNATGateway", "none", "block"),
        "nobody knows by which address it goes out",
        "userAssignedNATGateway or userDefinedRouting",
    ),
    Field(58, "addonProfiles.azureKeyvaultSecretsProvider.enabled", ON, "secrets lie in etcd", "true"),
    Field(
        58,
        "addonProfiles.azureKeyvaultSecretsProvider.config.enableSecretRotation",
        _is("true"),
        "a secret that was replaced stays in use",
        'the text "true"',
    ),
    Field(58, "oidcIssuerProfile.enabled", ON, "pods need a key to be somebody for Azure", "true"),
    Field(58, "securityProfile.workloadIdentity.enabled", ON, "pods need a key to be somebody for Azure", "true"),
    Field(59, "addonProfiles.azurepolicy.enabled", ON, "what others put there is not looked at", "true"),
    Field(59, "addonProfiles.omsagent.enabled", ON, "nobody can read later what happened", "true"),
    Field(59, "securityProfile.defender.securityMonitoring.enabled", ON, "nobody is told of an attack", "true"),
    Field(59, "securityProfile.imageCleaner.enabled", ON, "old images with known holes stay", "true"),
    Field(60, "sku.tier", _is("Standard", "Premium"), "nobody promises that its API answers", "Standard"),
    Field(60, "autoUpgradeProfile.upgradeChannel", _not("none", ""), "known holes stay open", "patch"),
    Field(60, "autoUpgradeProfile.nodeOSUpgradeChannel", _not("None", "Unmanaged", ""), "known holes", "NodeImage"),
)  # fmt: skip
POOL = (
    Field(57, "enableNodePublicIP", OFF, "each node is on the internet", "false"),
    Field(60, "type", _is("VirtualMachineScaleSets"), "it cannot be spread or scaled", "VirtualMachineScaleSets"),
    Field(60, "maxPods", _at_least(MIN_PODS), "pods wait although the node has room", f"at least {MIN_PODS}"),
    Field(61, "enableEncryptionAtHost", ON, "caches and scratch lie in the clear", "true"),
    Field(61, "enableAutoScaling", ON, "nodes are paid that nobody uses", "true, with minCount"),
    Field(61, "securityProfile.sshAccess", _is("Disabled"), "a person logs in on nodes, past every record", "Disabled"),
    Field(61, "kubeletConfig.podMaxPids", _at_least(1), "a fork bomb ends the node", "a limit on processes"),
    Field(
        61,
        "upgradeSettings.drainTimeoutInMinutes",
        _at_least(LONGEST_DRAIN_MINUTES + 1),
        "an upgrade cuts running answers",
        f"more than {LONGEST_DRAIN_MINUTES}",
    ),
)
SYSTEM_TAINT = "CriticalAddonsOnly=true:NoSchedule"
GPU_TAINT = "sku=gpu:NoSchedule"
GPU_SIZE = re.compile(r"^Standard_N[CDV]")
VAULT = (
    Field(62, "properties.enablePurgeProtection", ON, "whoever may delete it ends every secret", "true"),
    Field(62, "properties.enableSoftDelete", ON, "a slip is for ever", "true"),
    Field(62, "properties.publicNetworkAccess", _is("Disabled", "disabled"), OTHERS, "Disabled, a private endpoint"),
    Field(62, "properties.networkAcls.defaultAction", _is("Deny"), OTHERS, "Deny"),
    Field(62, "properties.enableRbacAuthorization", ON, "rights are in lists that nobody reviews", "true"),
)
REGISTRY = (
    Field(62, "adminUserEnabled", OFF, "one password for everybody pushes images", "false"),
    Field(62, "anonymousPullEnabled", OFF, "anybody reads the site's images", "false"),
    Field(62, "publicNetworkAccess", _is("Disabled"), OTHERS, "Disabled, a private endpoint"),
)
ACCOUNT = (
    Field(62, "allowBlobPublicAccess", OFF, "anybody reads what lies there", "false"),
    Field(62, "allowSharedKeyAccess", OFF, "one key for everybody opens it", "false, roles of Entra"),
    Field(62, "enableHttpsTrafficOnly", ON, "it is read on the way", "true"),
    Field(62, "minimumTlsVersion", _is("TLS1_2", "TLS1_3"), "it is read on the way", "TLS1_2"),
    Field(62, "publicNetworkAccess", _is("Disabled", "SecuredByPerimeter"), OTHERS, "Disabled, a private endpoint"),
)  # fmt: skip


def cluster(resource: Resource) -> Iterator[Finding]:
    """Controls 55 to 61 of a cluster and of the pool that is part of it."""
    for field in CLUSTER:
        yield from field.found("ManagedCluster", resource)
    yield from _api_server(resource)
    for pool in resource.inputs.get("agentPoolProfiles") or ():
        yield from _pool("ManagedCluster", resource, pool, f"agentPoolProfiles[{pool.get('name')}].")


def _api_server(resource: Resource) -> Iterator[Finding]:
    profile = resource.inputs.get("apiServerAccessProfile") or {}
    path = "apiServerAccessProfile"
    if profile.get("enablePrivateCluster") is True:
        if profile.get("enablePrivateClusterPublicFQDN"):
            harm = "its address is known outside"
            yield Finding(55, _cluster(resource), f"{path}.enablePrivateClusterPublicFQDN", harm, "false")
        return
    ranges = profile.get("authorizedIPRanges") or []
    if not ranges or any(_is_everybody(one) for one in ranges):
        harm = "the whole internet may try to log in"
        yield Finding(55, _cluster(resource), f"{path}.authorizedIPRanges", harm, "a private cluster, or named ranges")


def _cluster(resource: Resource) -> str:
    return f"ManagedCluster/{resource.name}"


def _is_everybody(text: str) -> bool:
    try:
        return ip_network(text, strict=False).prefixlen == 0
    except ValueError:
        return False


def pool(resource: Resource) -> Iterator[Finding]:
    """Controls 57, 60 and 61 of a pool of its own."""
    yield from _pool("AgentPool", resource, resource.inputs, "")


def _pool(kind: str, resource: Resource, inputs: Any, prefix: str) -> Iterator[Finding]:
    for field in POOL:
        yield from field.found(kind, resource, prefix, inputs)
    taints, size = inputs.get("nodeTaints") or (), str(inputs.get("vmSize") or "")
    name = f"{kind}/{resource.name}"
    if inputs.get("mode") == "System" and SYSTEM_TAINT not in taints:
        harm = "an engine takes the memory of the cluster's own programs"
        yield Finding(61, name, f"{prefix}nodeTaints", harm, SYSTEM_TAINT)
    if not GPU_SIZE.match(size):
        return
    if inputs.get("mode") != "User":
        yield Finding(61, name, f"{prefix}mode", "the cluster's own programs are paid on a GPU", "User")
    if GPU_TAINT not in taints:
        yield Finding(61, name, f"{prefix}nodeTaints", "anything is put on paid GPUs", GPU_TAINT)
    spot = inputs.get("scaleSetPriority") == "Spot"
    if not spot and str(value(inputs, "upgradeSettings", "maxSurge")) != "0":
        harm = "an upgrade waits for a GPU more than the quota has"
        yield Finding(61, name, f"{prefix}upgradeSettings.maxSurge", harm, '"0", with maxUnavailable "1"')
    if int(inputs.get("minCount") or 0) > 1:
        yield Finding(61, name, f"{prefix}minCount", "GPUs are paid that nobody uses", "0 or 1")


def _all(kind: str, fields: tuple[Field, ...]) -> Rule:
    def judge(resource: Resource) -> Iterator[Finding]:
        for field in fields:
            yield from field.found(kind, resource)

    return judge


RULES: dict[str, Rule] = {
    "containerservice:ManagedCluster": cluster,
    "containerservice:AgentPool": pool,
    "keyvault:Vault": _all("Vault", VAULT),
    "containerregistry:Registry": _all("Registry", REGISTRY),
    "storage:StorageAccount": _all("StorageAccount", ACCOUNT),
}
"""By module and kind, whatever the version of the interface."""

_TOKEN = re.compile(r"^azure-native:([a-z]+)(?:/v\w+)?:(\w+)$")


def rule_for(token: str) -> Rule | None:
    """The rule for a type of resource; None where there is none."""
    found = _TOKEN.match(token)
    return RULES.get(f"{found[1]}:{found[2]}") if found else None
