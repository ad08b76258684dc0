"""Addresses of an AKS cluster as the stack file describes them; ranges that overlap are refused by their names."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations
from typing import Self

from pydantic import Field, field_validator, model_validator

from components.workload import Value

RESERVED = ("169.254.0.0/16", "172.30.0.0/16", "172.31.0.0/16", "192.0.2.0/24")
"""Ranges that AKS keeps to itself."""

AZURE_KEEPS = 5
"""Addresses of every subnet that Azure uses."""

SMALLEST_API_SERVER = 28
"""The API server's subnet has at least 16 addresses (a prefix of at most this length)."""


def network_of(value: str) -> IPv4Network:
    """The network of a text. Raises ValueError with the fix for one that is none."""
    try:
        return IPv4Network(value)
    except ValueError:
        raise ValueError(f"'{value}' is no IPv4 range — write a network address, 203.0.113.0/24") from None


def closed(ranges: Iterable[str], open_to_all: str) -> None:
    """Raise ValueError for a text that is no range, or with `open_to_all` for one that lets the whole internet in."""
    for value in ranges:
        if network_of(value).prefixlen == 0:
            raise ValueError(f"{value} lets the whole internet in — {open_to_all}")


class Network(Value):
    """The virtual network and the cluster's inner ranges, all IPv4 in CIDR form.

    `nodes`, `api_server` and `endpoints` (private addresses of vault and registry) are subnets of `address_space`;
    `pods` and `services` exist inside the cluster only. Two networks that shall be connected must not overlap.
    `route_table` is the id of one that sends what leaves through a firewall; without it, a NAT gateway is made.
    """

    address_space: str = "10.224.0.0/16"
    nodes: str = "10.224.0.0/20"
    api_server: str = "10.224.16.0/28"
    endpoints: str = "10.224.16.64/26"
    pods: str = "10.244.0.0/16"
    services: str = "10.0.0.0/16"
    dns_service_ip: str = "10.0.0.10"
    route_table: str | None = Field(None, pattern=r"^/subscriptions/[^/]+/resourceGroups/.+/routeTables/[^/]+$")

    @field_validator("address_space", "nodes", "api_server", "endpoints", "pods", "services")
    @classmethod
    def _is_a_network(cls, value: str) -> str:
        return str(network_of(value))

    @model_validator(mode="after")
    def _ranges_fit_together(self) -> Self:
        space = IPv4Network(self.address_space)
        subnets = {name: IPv4Network(getattr(self, name)) for name in ("nodes", "api_server", "endpoints")}
        for name, subnet in subnets.items():
            if not subnet.subnet_of(space):
                raise ValueError(f"{name} {subnet} is outside of address_space {space} — move it inside")
        inner = {name: IPv4Network(getattr(self, name)) for name in ("pods", "services")}
        _apart({**subnets, **inner})
        for name, network in inner.items():
            _apart({name: network, "address_space": space})
            for reserved in RESERVED:
                _apart({name: network, "AKS's own": IPv4Network(reserved)})
        if subnets["api_server"].prefixlen > SMALLEST_API_SERVER:
            raise ValueError(f"api_server {self.api_server} is too small for the API server — use a /28 or larger")
        return self

    @model_validator(mode="after")
    def _name_server_is_a_service(self) -> Self:
        services = IPv4Network(self.services)
        try:
            address = IPv4Address(self.dns_service_ip)
        except ValueError:
            raise ValueError(f"dns_service_ip '{self.dns_service_ip}' is no IPv4 address — 10.0.0.10") from None
        if address not in services or int(address) - int(services.network_address) < 2:
            fix = f"use {services.network_address + 10}"
            raise ValueError(f"dns_service_ip {address} must be in services {services}, not its first — {fix}")
        return self

    def too_small_for(self, nodes: int) -> str | None:
        """Why the subnet of the nodes cannot hold so many, or None."""
        there = IPv4Network(self.nodes).num_addresses - AZURE_KEEPS
        if nodes <= there:
            return None
        return f"{self.nodes} has room for {there} nodes, and the pools may grow to {nodes} — a larger network.nodes"


def _apart(named: dict[str, IPv4Network]) -> None:
    for (one, first), (other, second) in combinations(named.items(), 2):
        if first.overlaps(second):
            raise ValueError(
                f"{one} {first} overlaps with {other} {second}, so packets would go astray — choose ranges apart"
            )
