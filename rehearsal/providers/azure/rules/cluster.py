"""What AKS refuses of a cluster as a whole (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from rehearsal.providers.azure.failures import Failure, did_you_mean
from rehearsal.providers.azure.rules.network import network_of
from rehearsal.providers.azure.rules.pools import pool_failures
from rehearsal.providers.azure.values import UNKNOWN, Properties, at, known

ADDONS = (
    "azurepolicy",
    "azureKeyvaultSecretsProvider",
    "omsagent",
    "ingressApplicationGateway",
    "httpApplicationRouting",
    "openServiceMesh",
    "aciConnectorLinux",
    "ACCSGXDevicePlugin",
    "KubeDashboard",
)
_SECRETS_PROVIDER = ("enableSecretRotation", "rotationPollInterval")
SERVICE_CIDR, POD_CIDR, DNS_SERVICE_IP = "10.0.0.0/16", "10.244.0.0/16", "10.0.0.10"
"""What AKS takes where the network profile says nothing."""


def pools_of_cluster(inputs: Properties) -> Iterator[Failure]:
    """The pools that stand in the cluster: each by itself, and at least one system pool among them."""
    pools = at(inputs, "agentPoolProfiles")
    if pools is UNKNOWN:
        return
    if not isinstance(pools, list) or not pools:
        yield Failure("agentPoolProfiles", "A cluster needs at least one agent pool (InvalidParameter).")
        return
    plain = [(index, pool) for index, pool in enumerate(pools) if isinstance(pool, dict)]
    for index, pool in plain:
        yield from pool_failures(pool, f"agentPoolProfiles[{index}].")
    modes = [at(pool, "mode") for _, pool in plain]
    if "System" not in modes and UNKNOWN not in modes:
        why = "There has to be at least one system agent pool (InvalidParameter): mode: System."
        yield Failure("agentPoolProfiles", why)
    names = [name for _, pool in plain if (name := known(pool, "name"))]
    for twice in sorted({name for name in names if names.count(name) > 1}):
        yield Failure("agentPoolProfiles", f"The agent pool name '{twice}' is used twice (InvalidParameter).")


def access(inputs: Properties) -> Iterator[Failure]:
    """Who may log in, and from where."""
    # What is not known yet counts as there: `at` gives UNKNOWN for it, which is true.
    managed_entra = at(inputs, "aadProfile.managed")
    if known(inputs, "disableLocalAccounts") and not managed_entra:
        yield Failure(
            "disableLocalAccounts",
            "Disabling local accounts is only for clusters with Microsoft Entra ID (BadRequest): aadProfile.managed.",
        )
    if known(inputs, "aadProfile.enableAzureRBAC") and not managed_entra:
        yield Failure("aadProfile.enableAzureRBAC", "Azure RBAC needs a managed aadProfile (BadRequest).")
    private = known(inputs, "apiServerAccessProfile.enablePrivateCluster")
    if private and known(inputs, "apiServerAccessProfile.authorizedIPRanges"):
        why = "A private cluster has no authorized IP ranges (BadRequest)."
        yield Failure("apiServerAccessProfile.authorizedIPRanges", why)
    if at(inputs, "dnsPrefix") is None and at(inputs, "fqdnSubdomain") is None:
        yield Failure(
            "dnsPrefix", "A cluster needs a dnsPrefix, or a fqdnSubdomain with a private DNS zone of its own."
        )
    prefix = known(inputs, "dnsPrefix")
    if isinstance(prefix, str) and not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]{0,52}[A-Za-z0-9])?", prefix):
        yield Failure(
            "dnsPrefix", f"'{prefix}' is no DNS prefix: 1 to 54 letters, digits and hyphens (InvalidParameter)."
        )
    if known(inputs, "securityProfile.workloadIdentity.enabled") and not at(inputs, "oidcIssuerProfile.enabled"):
        why = "Workload identity needs the OIDC issuer (BadRequest): oidcIssuerProfile.enabled."
        yield Failure("securityProfile.workloadIdentity.enabled", why)
    yield from _identity(inputs)


def _identity(inputs: Properties) -> Iterator[Failure]:
    kind, own = known(inputs, "identity.type"), at(inputs, "identity.userAssignedIdentities")
    if kind == "UserAssigned" and not own:
        yield Failure(
            "identity.userAssignedIdentities", "A user-assigned identity is named by its id (InvalidParameter)."
        )
    if kind == "UserAssigned" and isinstance(own, list) and len(own) > 1:
        yield Failure(
            "identity.userAssignedIdentities", "A cluster takes one user-assigned identity (InvalidParameter)."
        )
    if kind != "UserAssigned" and known(inputs, "identityProfile.kubeletidentity") and kind is not None:
        why = "A kubelet identity of one's own needs a user-assigned identity of the cluster (BadRequest)."
        yield Failure("identityProfile.kubeletidentity", why)
    if known(inputs, "securityProfile.azureKeyVaultKms.enabled") and not at(
        inputs, "securityProfile.azureKeyVaultKms.keyId"
    ):
        yield Failure("securityProfile.azureKeyVaultKms.keyId", "Encryption by a Key Vault names its key (BadRequest).")


def networking(inputs: Properties) -> Iterator[Failure]:
    """Address ranges that must not lie on each other, and network parts that need each other."""
    profile = at(inputs, "networkProfile")
    if not isinstance(profile, dict):
        profile = {}
    service = network_of(profile.get("serviceCidr", SERVICE_CIDR))
    pods = network_of(profile.get("podCidr", POD_CIDR))
    for path, text in (("serviceCidr", profile.get("serviceCidr")), ("podCidr", profile.get("podCidr"))):
        if isinstance(text, str) and network_of(text) is None:
            yield Failure(
                f"networkProfile.{path}", f"'{text}' is no address range; write 10.0.0.0/16 (InvalidParameter)."
            )
    if service and pods and service.overlaps(pods):
        why = f"The pod CIDR {pods} overlaps the service CIDR {service} (InvalidParameter)."
        yield Failure("networkProfile.podCidr", why)
    if service and service.prefixlen < 12:
        yield Failure(
            "networkProfile.serviceCidr", f"The service CIDR {service} is larger than /12 (InvalidParameter)."
        )
    yield from _dns(profile, service)
    dataplane, policy = profile.get("networkDataplane"), profile.get("networkPolicy")
    if dataplane == "cilium" and profile.get("networkPlugin") not in ("azure", UNKNOWN):
        yield Failure("networkProfile.networkDataplane", "The cilium dataplane needs networkPlugin azure (BadRequest).")
    if policy == "cilium" and dataplane not in ("cilium", UNKNOWN):
        yield Failure("networkProfile.networkPolicy", "Network policy cilium needs the cilium dataplane (BadRequest).")
    layer = known(profile, "advancedNetworking.security.advancedNetworkPolicies")
    if layer in ("FQDN", "L7") and dataplane not in ("cilium", UNKNOWN):
        path = "networkProfile.advancedNetworking.security.advancedNetworkPolicies"
        yield Failure(path, f"Network policies by {layer} need the cilium dataplane (BadRequest).")


def _dns(profile: Properties, service: IPv4Network | None) -> Iterator[Failure]:
    text = profile.get("dnsServiceIP", DNS_SERVICE_IP)
    if not isinstance(text, str) or service is None:
        return
    try:
        address = IPv4Address(text)
    except ValueError:
        yield Failure("networkProfile.dnsServiceIP", f"'{text}' is no IPv4 address (InvalidParameter).")
        return
    if address not in service:
        why = f"The DNS service IP {address} is not in the service CIDR {service} (InvalidParameter)."
        yield Failure("networkProfile.dnsServiceIP", why)
    elif address in (service[0], service[1]):
        why = f"{address} is the first address of the service CIDR, which Kubernetes takes (InvalidParameter)."
        yield Failure("networkProfile.dnsServiceIP", why)


def addons(inputs: Properties) -> Iterator[Failure]:
    """Add-ons by the names AKS knows, and settings that need a tier that is paid for."""
    for name, addon in (
        (at(inputs, "addonProfiles") or {}).items() if at(inputs, "addonProfiles") is not UNKNOWN else ()
    ):
        if name not in ADDONS:
            yield Failure(f"addonProfiles.{name}", f"AKS has no add-on '{name}'{did_you_mean(name, ADDONS)}")
        if name == "azureKeyvaultSecretsProvider":
            for key in known(addon, "config") or {}:
                if key not in _SECRETS_PROVIDER:
                    path = f"addonProfiles.{name}.config.{key}"
                    yield Failure(path, f"the add-on has no setting '{key}'{did_you_mean(key, _SECRETS_PROVIDER)}")
        if name == "omsagent" and known(addon, "enabled") and not at(addon, "config.logAnalyticsWorkspaceResourceID"):
            yield Failure(f"addonProfiles.{name}.config", "it needs logAnalyticsWorkspaceResourceID (BadRequest).")
    if known(inputs, "metricsProfile.costAnalysis.enabled") and known(inputs, "sku.tier") in (None, "Free"):
        yield Failure(
            "metricsProfile.costAnalysis.enabled", "Cost analysis needs tier Standard or Premium (BadRequest)."
        )
    group = known(inputs, "nodeResourceGroup")
    if isinstance(group, str) and len(group) > 80:
        yield Failure("nodeResourceGroup", "A node resource group's name has at most 80 characters (InvalidParameter).")


def maintenance(inputs: Properties) -> Iterator[Failure]:
    """A window for upgrades: which one, for how long, and one schedule."""
    window = at(inputs, "maintenanceWindow")
    if known(inputs, "configName") == "default" or window is UNKNOWN:
        return
    if not isinstance(window, dict):
        yield Failure("maintenanceWindow", "Every configuration but 'default' needs a maintenanceWindow (BadRequest).")
        return
    hours = known(window, "durationHours")
    if isinstance(hours, int) and not 4 <= hours <= 24:
        yield Failure("maintenanceWindow.durationHours", f"{hours} is not between 4 and 24 hours (InvalidParameter).")
    start = known(window, "startTime")
    if isinstance(start, str) and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", start):
        yield Failure("maintenanceWindow.startTime", f"'{start}' is no time of day; write 02:00 (InvalidParameter).")
    schedules = [key for key in at(window, "schedule") or {}] if at(window, "schedule") is not UNKNOWN else ["one"]
    if len(schedules) != 1:
        why = "exactly one of daily, weekly, absoluteMonthly and relativeMonthly (InvalidParameter)."
        yield Failure("maintenanceWindow.schedule", why)
