"""Address ranges that must lie in one another or must not."""

from __future__ import annotations

from ipaddress import IPv4Network

from rehearsal.providers.azure import arm_ids
from rehearsal.providers.azure.errors import bad_request
from rehearsal.providers.azure.request import Request
from rehearsal.providers.azure.rules.cluster import SERVICE_CIDR
from rehearsal.providers.azure.rules.network import network_of, outside_message, overlap_message, prefixes
from rehearsal.providers.azure.store import Store
from rehearsal.providers.azure.values import Properties, at

_RANGES = ("addressPrefix", "addressPrefixes")


def fits_into_its_network(request: Request) -> None:
    """A subnet lies in its network's ranges and on none of the other subnets."""
    network = request.parent
    if network is None:
        return
    own, spaces = _networks(request.inputs, *_RANGES), _networks(network.inputs, "addressSpace.addressPrefixes")
    if any(not any(inner.subnet_of(space) for space in spaces) for inner in own):
        raise bad_request(outside_message(request.name, network.name), "NetcfgSubnetRangeOutsideVnet")
    for other in request.store.all("network:Subnet"):
        sibling = arm_ids.below(other.id, network.id) and not arm_ids.same(other.id, request.arm_id)
        if sibling and any(a.overlaps(b) for a in own for b in _networks(other.inputs, *_RANGES)):
            raise bad_request(overlap_message(request.name, other.name), "NetcfgSubnetRangesOverlap")


def still_holds_its_subnets(request: Request) -> None:
    """A network's changed ranges hold the subnets that it has."""
    spaces = _networks(request.inputs, "addressSpace.addressPrefixes")
    for subnet in request.store.all("network:Subnet"):
        if arm_ids.below(subnet.id, request.arm_id):
            inside = all(any(n.subnet_of(s) for s in spaces) for n in _networks(subnet.inputs, *_RANGES))
            if not inside:
                raise bad_request(outside_message(subnet.name, request.name), "NetcfgSubnetRangeOutsideVnet")


def does_not_overlap_services(request: Request) -> None:
    """The service range of a cluster is none that its nodes' network uses."""
    service = network_of(at(request.inputs, "networkProfile.serviceCidr") or SERVICE_CIDR)
    for pool in request.inputs.get("agentPoolProfiles", ()):
        for path in ("vnetSubnetID", "podSubnetID"):
            for subnet in _ranges_of_subnet(request.store, at(pool, path)):
                if service and service.overlaps(subnet):
                    raise bad_request(
                        f"The specified service CIDR {service} is conflicted with an existing subnet CIDR {subnet}",
                        "ServiceCidrOverlapExistingSubnetsCidr",
                    )


def _ranges_of_subnet(store: Store, arm_id: object) -> list[IPv4Network]:
    subnet = store.get(arm_id) if isinstance(arm_id, str) else None
    return _networks(subnet.inputs, *_RANGES) if subnet else []


def _networks(inputs: Properties, *paths: str) -> list[IPv4Network]:
    return [network for text in prefixes(inputs, *paths) if (network := network_of(text))]
