"""Some hosts on one network with this machine, for one `with` block."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from rehearsal.control_plane.lifetime import Lifetime
from rehearsal.hosts import disk, inside
from rehearsal.hosts.commands import command, run
from rehearsal.hosts.errors import HostError
from rehearsal.hosts.host import Host
from rehearsal.hosts.programs import Programs
from rehearsal.hosts.requirements import require
from rehearsal.hosts.switch import Switch
from rehearsal.real_node import cgroups
from rehearsal.real_node.programs import SYSTEM_PATH
from tools.places import CHECKOUT

PREFIX = "slm-hosts-"
"""Of a fleet's folder and its control group; the process id of its owner follows."""


class Fleet(Lifetime):
    """Hosts by name. Nothing is left of them at the end; nor when the process that started them is killed, but empty
    control groups and the folder, which the next start removes.

    `key_file` is the private key that every host lets in, `control` this machine's address on their network.
    """

    def __init__(self, names: Sequence[str] = ("berlin-1", "berlin-2", "oslo-1"), *, disk_gib: int = 16) -> None:
        """`disk_gib` is the size of each host's disk, of which only what is written takes space on this machine's."""
        self.names, self._disk_gib = tuple(names), disk_gib
        self.folder = Path()
        self.key_file = Path()
        self.hosts: dict[str, Host] = {}
        self._switch: Switch | None = None
        self._group = ""

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def __iter__(self) -> Iterator[Host]:
        return iter(self.hosts.values())

    @property
    def control(self) -> str:
        """This machine's address, as the hosts see it. Raises HostError while they do not run."""
        if self._switch is None:
            raise HostError("The hosts do not run", fix="use them inside the `with` block")
        return str(self._switch.control)

    def start(self) -> None:
        """Start all hosts and wait until their SSH and Docker answer. Raises ControlPlaneError."""
        require()
        remove_abandoned()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        self._group = self.folder.name
        cgroups.make(self._group)
        self.key_file = self.folder / "key"
        words = command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "fleet", "-f", str(self.key_file))
        run(words, "No key can be made")
        environment = {"PATH": SYSTEM_PATH, "HOME": str(self.folder), "PYTHONPATH": str(CHECKOUT)}
        self._switch = Switch.make(self.folder / "switch", environment)
        programs = Programs.installed()
        for number, name in enumerate(self.names, start=1):
            host = Host(
                name,
                self.folder / name,
                number=number,
                switch=self._switch,
                key_file=self.key_file,
                cgroup=f"{self._group}/{name}",
                environment=environment,
                programs=programs,
            )
            self.hosts[name] = host
            host.install(self._disk_gib)
            host.power_on()
        for host in self:
            host.wait_until_up()

    def stop(self) -> None:
        """End everything and remove what it had. Safe at any time, any number of times."""
        for host in self:
            host.remove()
        for host in self:
            disk.wait_until_unused(host.folder / inside.DISK)
        self.hosts.clear()
        if self._switch:
            self._switch.remove()
            self._switch = None
        if self._group:
            cgroups.remove(self._group)
            shutil.rmtree(self.folder)
            self._group = ""

    def check(self) -> None:
        """Raises ProcessEnded when something that should run does not any more."""
        for host in self:
            host.check()


def remove_abandoned() -> None:
    """Remove what fleets left whose owner was killed: nothing of them runs, as the kernel ended it with their owner."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}[0-9]*-*"):
        if not psutil.pid_exists(int(folder.name.removeprefix(PREFIX).split("-")[0])):
            cgroups.remove(folder.name)
            shutil.rmtree(folder, ignore_errors=True)
