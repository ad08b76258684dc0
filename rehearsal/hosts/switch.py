"""The network between the hosts and this machine: a switch in a namespace of its own, with a port for each.

It is not a bridge of this machine: Docker's firewall rules here would filter what goes from one host to another.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from rehearsal.control_plane.process import Process
from rehearsal.hosts import link
from rehearsal.hosts.commands import command, run
from rehearsal.hosts.errors import HostError
from rehearsal.hosts.quality import Quality
from rehearsal.real_node.cable import free_network
from rehearsal.real_node.inside import live
from rehearsal.real_node.namespaces import Namespaces

RANGE = IPv4Network("10.214.0.0/16")
BRIDGE = "switch"
CONTROL = "control"
ATTEMPTS = 20


class Switch:
    """`make` makes it, `remove` removes it. `network` has this machine at its first address."""

    def __init__(self, folder: Path, namespaces: Namespaces) -> None:
        self.folder, self.namespaces = folder, namespaces
        self.interface, self.network = "", RANGE

    @classmethod
    def make(cls, folder: Path, environment: Mapping[str, str]) -> Switch:
        """With addresses that nothing of this machine has. Raises ControlPlaneError."""
        folder.mkdir()
        namespaces = Namespaces.make(folder, environment, __name__)
        made = cls(folder, namespaces)
        try:
            made._connect_control()
        except BaseException:
            made.remove()
            raise
        return made

    @property
    def pid(self) -> int:
        """A process in its network."""
        return self.namespaces.first.pid

    @property
    def control(self) -> IPv4Address:
        """This machine's address on it."""
        return self.network.network_address + 1

    def address(self, number: int) -> IPv4Address:
        """Of the host with that number, which counts from 1."""
        return self.network.network_address + 10 + number

    def _connect_control(self) -> None:
        ends = ("type", "veth", "peer", "name", CONTROL, "netns", str(self.pid))
        for attempts_left in reversed(range(ATTEMPTS)):
            self.network = free_network(RANGE, 24)
            # The name says which network it is, so that of two fleets that choose the same one, one fails here.
            self.interface = f"slmhosts{self.network.network_address.packed[2]}"
            try:
                run(command("ip", "link", "add", self.interface, *ends))
                break
            except HostError:
                self.interface = ""
                if not attempts_left:
                    raise
                time.sleep(0.2)
        run(command("ip", "address", "add", f"{self.control}/{self.network.prefixlen}", "dev", self.interface))
        run(command("ip", "link", "set", self.interface, "up"))
        self.ip("link", "set", CONTROL, "master", BRIDGE, "up")

    def ip(self, *arguments: str) -> None:
        """The command `ip` in its network. Raises HostError."""
        run(command("ip", *arguments, inside=self.pid))

    def remove(self) -> None:
        """Of the network nothing is left when its processes end; this machine's interface goes a moment later."""
        self.namespaces.end()
        if self.interface:
            with suppress(HostError):
                run(command("ip", "link", "delete", self.interface))


class Port:
    """Where one host is plugged in. `quality` None is a faultless link, `connected` False a cut one."""

    def __init__(self, switch: Switch, number: int, environment: Mapping[str, str]) -> None:
        self.switch, self.number, self._environment = switch, number, environment
        self.name = f"port{number}"
        self.connected = True
        self.quality: Quality | None = None
        self._emulator: Process | None = None

    def plug(self, pid: int, interface: str) -> None:
        """Lay a cable to the network of the process, with its address. Raises HostError."""
        switch = self.switch
        with suppress(HostError):
            # The kernel removes the end here a moment after the network at the other end has gone with its host.
            switch.ip("link", "delete", self.name)
        ends = ("type", "veth", "peer", "name", interface, "netns", str(pid))
        run(command("ip", "link", "add", self.name, "netns", str(switch.pid), *ends))
        address = f"{switch.address(self.number)}/{switch.network.prefixlen}"
        for arguments in (
            ("link", "set", "lo", "up"),
            # A machine keeps this address over power cuts; others remember it for half a minute.
            ("link", "set", interface, "address", f"02:00:00:00:00:{self.number:02x}"),
            ("address", "add", address, "dev", interface),
            ("link", "set", interface, "up"),
            ("route", "add", "default", "via", str(switch.control)),
        ):
            run(command("ip", *arguments, inside=pid))
        switch.ip("link", "set", self.name, "up")
        self._attach()

    def connect(self, connected: bool) -> None:
        """Cut it or mend it. Neither end is told: packets are lost, as on a line that is cut far away."""
        self.connected = connected
        self._attach()

    def set_quality(self, quality: Quality | None) -> None:
        """From now on it is like that, also for connections that are open. Raises HostError."""
        self._stop_emulator()
        self.quality = quality
        if quality:
            self._start_emulator(quality)
        self._attach()

    def remove(self) -> None:
        """End what runs for it."""
        self._stop_emulator()

    def _attach(self) -> None:
        bridge = BRIDGE if self.quality is None else self._side
        self.switch.ip("link", "set", self.name, *(("master", bridge) if self.connected else ("nomaster",)))

    @property
    def _side(self) -> str:
        return f"side{self.number}"

    def _start_emulator(self, quality: Quality) -> None:
        near, far = f"near{self.number}", f"far{self.number}"
        ready = self.switch.folder / f"link{self.number}.ready"
        ready.unlink(missing_ok=True)
        words = [sys.executable, "-m", link.__name__, near, far, *link.words(quality), str(ready)]
        log = self.switch.folder / f"link{self.number}.log"
        inside = self.switch.namespaces.command(*words)
        self._emulator = Process.start(f"the bad link of {self.name}", inside, log, dict(self._environment))
        self._emulator.wait_until(ready.exists, 20.0)
        self.switch.ip("link", "add", self._side, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
        for interface, bridge in ((near, self._side), (far, BRIDGE)):
            self.switch.ip("link", "set", interface, "master", bridge, "up")
        self.switch.ip("link", "set", self._side, "up")

    def _stop_emulator(self) -> None:
        if self._emulator is None:
            return
        # nsenter passes no signal on; its child ends when what it reads from is gone.
        self.switch.ip("link", "delete", self._side)
        for end in ("near", "far"):
            self.switch.ip("link", "delete", f"{end}{self.number}")
        self._emulator.popen.wait(20.0)
        self._emulator = None


def prepare(folder: Path) -> None:
    """Make the switch, in the network of this process."""
    for arguments in (
        ("link", "set", "lo", "up"),
        ("link", "add", BRIDGE, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0"),
        ("link", "set", BRIDGE, "up"),
    ):
        run(command("ip", *arguments))


if __name__ == "__main__":
    live(Path(sys.argv[1]), prepare)
