"""The virtual network: subnets of nodes, API server and private addresses, and one known way out (control 57)."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi_azure_native import network

from components.targets.aks.ground import Ground
from components.targets.spec import Aks

DELEGATION = "Microsoft.ContainerService/managedClusters"
"""Who may put the API server into its subnet."""


def subnet_arguments(spec: Aks, what: str, way_out: dict[str, Any]) -> dict[str, Any]:
    """Arguments of one subnet (`nodes`, `endpoints` or `api_server`), without its names."""
    arguments: dict[str, Any] = {
        "address_prefix": getattr(spec.network, what),
        # Azure would let every machine out by an address that nobody chose and nobody sees.
        "default_outbound_access": False,
    }
    if what == "nodes":
        arguments |= way_out
    if what == "api_server":
        arguments["delegations"] = [network.DelegationArgs(name="aks", service_name=DELEGATION)]
    return arguments


def subnets_of(spec: Aks) -> tuple[str, ...]:
    """The subnets that a cluster needs, in the order they are made."""
    return ("nodes", "endpoints", "api_server") if spec.vnet_integration else ("nodes", "endpoints")


class AksNetwork(pulumi.ComponentResource):
    """Network and subnets, with a NAT gateway unless a firewall's route table leads out.

    `outbound_ip` is the address from which nodes call the outside, None behind a firewall of the site.
    """

    def __init__(self, ground: Ground) -> None:
        super().__init__(
            "slm:aks:network", f"{ground.name}-network", None, pulumi.ResourceOptions(parent=ground.parent)
        )
        self._ground = ground
        spec, names = ground.spec, ground.names
        self.network = network.VirtualNetwork(
            f"{ground.name}-vnet",
            virtual_network_name=names.part("network"),
            address_space=network.AddressSpaceArgs(address_prefixes=[spec.network.address_space]),
            **ground.common(),
            opts=ground.under(self),
        )
        self.outbound_ip: network.PublicIPAddress | None = None
        if spec.network.route_table:
            way_out: dict[str, Any] = {"route_table": network.RouteTableArgs(id=spec.network.route_table)}
        else:
            way_out = {"nat_gateway": network.SubResourceArgs(id=self._nat_gateway().id)}
        self.subnets: dict[str, network.Subnet] = {}
        for what in subnets_of(spec):
            self.subnets[what] = network.Subnet(
                f"{ground.name}-subnet-{what.replace('_', '-')}",
                subnet_name=what.replace("_", "-"),
                virtual_network_name=self.network.name,
                resource_group_name=ground.group.name,
                **subnet_arguments(spec, what, way_out),
                # One network takes one change at a time and refuses the others.
                opts=ground.under(self, depends_on=list(self.subnets.values())[-1:]),
            )
        self.register_outputs({})

    def _nat_gateway(self) -> network.NatGateway:
        ground = self._ground
        self.outbound_ip = network.PublicIPAddress(
            f"{ground.name}-outbound-ip",
            public_ip_address_name=ground.names.part("outbound"),
            public_ip_allocation_method=network.IPAllocationMethod.STATIC,
            sku=network.PublicIPAddressSkuArgs(name=network.PublicIPAddressSkuName.STANDARD),
            **ground.common(),
            opts=ground.under(self),
        )
        return network.NatGateway(
            f"{ground.name}-nat",
            nat_gateway_name=ground.names.part("nat"),
            sku=network.NatGatewaySkuArgs(name=network.NatGatewaySkuName.STANDARD),
            public_ip_addresses=[network.SubResourceArgs(id=self.outbound_ip.id)],
            **ground.common(),
            opts=ground.under(self),
        )
