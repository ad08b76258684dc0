"""The virtual cable between this machine and a node's network, with an address at each end and no way any further."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

import psutil

from rehearsal.real_node.errors import CannotRun
from rehearsal.real_node.programs import on_path

RANGE = IPv4Network("10.213.0.0/16")
"""Of which every node takes four addresses that nothing of this machine has."""

INSIDE = "eth0"
SETTINGS = ("net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables")
"""Switched on in the node's own network: pods reach each other through its bridge, Services through its firewall."""


@dataclass(frozen=True)
class Cable:
    """`interface` is this machine's end. Both addresses are in `network`."""

    interface: str
    network: IPv4Network

    @classmethod
    def choose(cls, owner: int) -> Cable:
        """A network that no interface of this machine has. Raises CannotRun when all are taken."""
        taken = [
            IPv4Network(f"{address.address}/{address.netmask}", strict=False)
            for addresses in psutil.net_if_addrs().values()
            for address in addresses
            if ":" not in address.address and "." in address.address and address.netmask
        ]
        for network in RANGE.subnets(new_prefix=30):
            if not any(network.overlaps(other) for other in taken):
                # Names of interfaces have at most 15 characters, and process ids at most 7.
                return cls(f"slmnode{owner}", network)
        raise CannotRun(
            f"Every address of {RANGE} is taken on this machine",
            harm="the node would have no way to its API server",
            fix="see which interfaces have them: ip -4 address",
        )

    @property
    def machine(self) -> IPv4Address:
        """The address of this machine's end."""
        return self.network.network_address + 1

    @property
    def node(self) -> IPv4Address:
        """The address of the node's end."""
        return self.network.network_address + 2

    def connect(self, pid: int) -> None:
        """Lay it to the network of the process, and set that network up. Raises CannotRun."""
        ip, length = str(on_path("ip")), self.network.prefixlen
        inside = [str(on_path("nsenter")), f"--net=/proc/{pid}/ns/net", "--"]
        for command in (
            [ip, "link", "add", self.interface, "type", "veth", "peer", "name", INSIDE, "netns", str(pid)],
            [ip, "address", "add", f"{self.machine}/{length}", "dev", self.interface],
            [ip, "link", "set", self.interface, "up"],
            [*inside, ip, "link", "set", "lo", "up"],
            [*inside, ip, "address", "add", f"{self.node}/{length}", "dev", INSIDE],
            [*inside, ip, "link", "set", INSIDE, "up"],
            [*inside, ip, "route", "add", "default", "via", str(self.machine)],
            *([*inside, "sh", "-c", f"echo 1 >/proc/sys/{setting}"] for setting in SETTINGS),
        ):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise CannotRun(
                    f"The node's network cannot be made: {' '.join(command)} says {done.stderr.strip()}",
                    harm="the node would have no way to its API server",
                    fix="see what it says; the kernel must have bridges, virtual cables and bridge-netfilter",
                )

    def remove(self) -> None:
        """It goes with the node's network as well, a moment later."""
        subprocess.run([str(on_path("ip")), "link", "delete", self.interface], capture_output=True)
