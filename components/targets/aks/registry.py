"""The registry of images that this site builds (control 62): no user, no anonymous pull, no public address."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi_azure_native import containerregistry

from components.targets.aks.ground import Ground
from components.targets.aks.identities import Identities
from components.targets.aks.network import AksNetwork
from components.targets.aks.private_endpoint import PrivateEndpoint
from components.targets.spec.aks import Registry

ZONE = "privatelink.azurecr.io"


def registry_arguments(spec: Registry, zones: bool) -> dict[str, Any]:
    """What the registry is like. Only the Premium tier has private addresses and can be in several zones."""
    return {
        "registry_name": spec.name,
        "sku": containerregistry.SkuArgs(name=containerregistry.SkuName.PREMIUM),
        "admin_user_enabled": False,
        "anonymous_pull_enabled": False,
        "public_network_access": containerregistry.PublicNetworkAccess.DISABLED,
        "network_rule_bypass_options": containerregistry.NetworkRuleBypassOptions.NONE,
        "zone_redundancy": "Enabled" if zones else "Disabled",
    }


class AksRegistry(pulumi.ComponentResource):
    """Registry, its private address; nodes pull from it, administrators push to it."""

    def __init__(
        self, ground: Ground, spec: Registry, identities: Identities, inside: AksNetwork, *, zones: bool
    ) -> None:
        name = f"{ground.name}-registry"
        super().__init__("slm:aks:registry", name, None, pulumi.ResourceOptions(parent=ground.parent))
        self.registry = containerregistry.Registry(
            f"{ground.name}-images", **registry_arguments(spec, zones), **ground.common(), opts=ground.under(self)
        )
        self.endpoint = PrivateEndpoint(ground, "registry", self.registry.id, "registry", ZONE, inside)
        self.pullers = identities.assign("pull", "acr_pull", self.registry.id, identities.kubelet.principal_id)
        for number, group in enumerate(ground.spec.admin_group_ids, start=1):
            identities.assign(f"push-{number}", "acr_push", self.registry.id, group, group=True)
        self.register_outputs({})
