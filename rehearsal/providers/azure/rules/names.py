"""Which names Azure accepts for which type, and what it accepts as tags (pure).

Source: Microsoft's "Naming rules and restrictions for Azure resources", and aka.ms/aks-naming-rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rehearsal.providers.azure.catalogue import catalogue
from rehearsal.providers.azure.failures import Failure
from rehearsal.providers.azure.values import Properties, known

_GUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_NETWORK = (r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,78}[A-Za-z0-9_])?", "1 to 80 letters, digits, '_', '-' and '.'")
_INSIGHTS = (r"[A-Za-z0-9]([A-Za-z0-9-]{1,42}[A-Za-z0-9])", "3 to 44 letters, digits and hyphens")

NAMES: dict[str, tuple[str, str]] = {
    "resources:ResourceGroup": (
        r"[\w().-]{0,89}[\w()-]",
        "1 to 90 letters, digits, '_', '-', '.' and brackets, and no dot at the end",
    ),
    "network:VirtualNetwork": _NETWORK,
    "network:Subnet": _NETWORK,
    "network:NetworkSecurityGroup": _NETWORK,
    "network:PublicIPAddress": _NETWORK,
    "network:NatGateway": _NETWORK,
    "network:RouteTable": _NETWORK,
    "network:PrivateEndpoint": _NETWORK,
    "managedidentity:UserAssignedIdentity": (
        r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}",
        "3 to 128 letters, digits, '_' and '-', first a letter or digit",
    ),
    "managedidentity:FederatedIdentityCredential": (
        r"[A-Za-z0-9][A-Za-z0-9_-]{2,119}",
        "3 to 120 letters, digits, '_' and '-', first a letter or digit",
    ),
    "keyvault:Vault": (
        r"(?=.{3,24}$)[A-Za-z](-?[A-Za-z0-9])*",
        "3 to 24 letters, digits and single hyphens, first a letter, no hyphen at the end",
    ),
    "keyvault:Secret": (r"[A-Za-z0-9-]{1,127}", "1 to 127 letters, digits and hyphens"),
    "keyvault:Key": (r"[A-Za-z0-9-]{1,127}", "1 to 127 letters, digits and hyphens"),
    "containerregistry:Registry": (r"[A-Za-z0-9]{5,50}", "5 to 50 letters and digits, nothing else"),
    "operationalinsights:Workspace": (
        r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
        "4 to 63 letters, digits and hyphens, no hyphen at either end",
    ),
    "containerservice:ManagedCluster": (
        r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?",
        "1 to 63 letters, digits, '_' and '-', first and last a letter or digit",
    ),
    "containerservice:AgentPool": (
        r"[a-z][a-z0-9]{0,11}",
        "1 to 12 lower-case letters and digits, first a letter",
    ),
    "containerservice:MaintenanceConfiguration": (
        r"default|aksManagedAutoUpgradeSchedule|aksManagedNodeOSUpgradeSchedule",
        "default, aksManagedAutoUpgradeSchedule or aksManagedNodeOSUpgradeSchedule",
    ),
    "authorization:RoleAssignment": (_GUID, "a GUID"),
    "monitor:DataCollectionEndpoint": _INSIGHTS,
    "monitor:AzureMonitorWorkspace": _INSIGHTS,
    "dashboard:Grafana": (
        r"[A-Za-z][A-Za-z0-9-]{0,21}[A-Za-z0-9]",
        "2 to 23 letters, digits and hyphens, first a letter, no hyphen at the end",
    ),
    "consumption:Budget": (r"[A-Za-z0-9_-]{1,63}", "1 to 63 letters, digits, '_' and '-'"),
}


def name_failures(resource_type: str, inputs: Properties) -> Iterator[Failure]:
    """Whether the resource's own name is one that Azure accepts for its type."""
    path = catalogue()[resource_type].name_input
    name = known(inputs, path)
    if resource_type in NAMES and isinstance(name, str):
        yield from name_failure(resource_type, name, path)


def name_failure(resource_type: str, name: str, path: str) -> Iterator[Failure]:
    """The failure for a name of a resource of this type that stands at `path`."""
    pattern, words = NAMES[resource_type]
    if not re.fullmatch(pattern, name):
        kind = resource_type.partition(":")[2]
        yield Failure(path, f"The name '{name}' is no name for a {kind} (InvalidResourceName): it takes {words}.")


def tag_failures(inputs: Properties) -> Iterator[Failure]:
    """At most 50 tags, keys of at most 512 characters and values of at most 256."""
    tags = known(inputs, "tags")
    if not isinstance(tags, dict):
        return
    if len(tags) > 50:
        yield Failure("tags", f"a resource has at most 50 tags (TooManyTags), and these are {len(tags)}.")
    for key, value in tags.items():
        if len(key) > 512 or re.search(r"[<>%&\\?/]", key):
            yield Failure("tags", f"'{key[:40]}' is no key of a tag (InvalidTagNameCharacters): no < > % & \\ ? /.")
        if isinstance(value, str) and len(value) > 256:
            yield Failure(f"tags.{key}", "a tag's value has at most 256 characters (InvalidTagValueLength).")
