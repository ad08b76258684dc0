"""A private address in the network for a service of Azure whose public one is closed, and its name inside."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import network, privatedns

from components.targets.aks.ground import Ground
from components.targets.aks.network import AksNetwork


class PrivateEndpoint(pulumi.ComponentResource):
    """The endpoint of a service. `group` is Azure's word for the kind of connection, `zone` the domain of its names."""

    def __init__(
        self, ground: Ground, what: str, service: pulumi.Input[str], group: str, zone: str, inside: AksNetwork
    ) -> None:
        name = f"{ground.name}-{what}-endpoint"
        super().__init__("slm:aks:privateendpoint", name, None, pulumi.ResourceOptions(parent=ground.parent))
        resolved = privatedns.PrivateZone(
            f"{name}-zone",
            private_zone_name=zone,
            location="global",
            resource_group_name=ground.group.name,
            tags=ground.tags,
            opts=ground.under(self),
        )
        link = privatedns.VirtualNetworkLink(
            f"{name}-link",
            virtual_network_link_name=ground.names.part(what),
            private_zone_name=resolved.name,
            location="global",
            registration_enabled=False,
            virtual_network=privatedns.SubResourceArgs(id=inside.network.id),
            resource_group_name=ground.group.name,
            tags=ground.tags,
            opts=ground.under(self),
        )
        endpoint = network.PrivateEndpoint(
            f"{name}-address",
            private_endpoint_name=ground.names.part(what),
            subnet=network.SubnetArgs(id=inside.subnets["endpoints"].id),
            private_link_service_connections=[
                network.PrivateLinkServiceConnectionArgs(name=what, group_ids=[group], private_link_service_id=service)
            ],
            **ground.common(),
            # Subnets of one network refuse a change while another is going on.
            opts=ground.under(self, depends_on=list(inside.subnets.values())),
        )
        self.ready = network.PrivateDnsZoneGroup(
            f"{name}-names",
            private_dns_zone_group_name="default",
            private_endpoint_name=endpoint.name,
            resource_group_name=ground.group.name,
            private_dns_zone_configs=[network.PrivateDnsZoneConfigArgs(name=what, private_dns_zone_id=resolved.id)],
            opts=ground.under(self, depends_on=[link]),
        )
        self.register_outputs({})
