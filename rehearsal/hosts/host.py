"""One host: its disk, its programs, and how it goes and comes back."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import docker
import psutil

from rehearsal.control_plane.process import Process
from rehearsal.hosts import configuration, disk, inside
from rehearsal.hosts.errors import HostError
from rehearsal.hosts.programs import Programs
from rehearsal.hosts.switch import Port, Switch
from rehearsal.real_node import cgroups
from rehearsal.real_node.namespaces import Namespaces
from tools.docker_engine import ask_socket

INTERFACE = "eth0"
START = 60.0
"""Seconds its programs get to answer."""


class Host:
    """A machine of the fleet. `address`, `port`, `user`, `key_file` and `host_key` are what a stack file says of it.

    `power_on` and `power_cut` may follow each other any number of times; what its disk had received is kept. `cgroup`
    is the control group below which its containers are.
    """

    user = inside.USER
    port = configuration.SSH_PORT

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        number: int,
        switch: Switch,
        key_file: Path,
        cgroup: str,
        environment: Mapping[str, str],
        programs: Programs,
    ) -> None:
        """`folder` is the host's own, `number` counts from 1, `key_file` is the private key that may log in."""
        self.name, self.folder, self.key_file = name, folder, key_file
        self.address = str(switch.address(number))
        self.link = Port(switch, number, environment)
        self.host_key = ""
        self.cgroup = cgroup
        self._environment, self._programs = environment, programs
        self._namespaces: Namespaces | None = None
        self._processes: dict[str, Process] = {}

    @property
    def url(self) -> str:
        """`ssh://user@address:port`, as in a stack file."""
        return f"ssh://{self.user}@{self.address}:{self.port}"

    @property
    def is_on(self) -> bool:
        """Whether it has power."""
        return self._namespaces is not None

    @property
    def namespaces(self) -> Namespaces:
        """Those it lives in. Raises HostError when it has no power."""
        if self._namespaces is None:
            raise HostError(f"The host {self.name} is off", fix="host.power_on()")
        return self._namespaces

    def install(self, gib: int) -> None:
        """A new disk of that size, of which only what is written takes space on this machine's."""
        self.folder.mkdir()
        disk.make(self.folder / inside.DISK, gib)

    def power_on(self) -> None:
        """Start its programs. They answer after `wait_until_up`. Raises ControlPlaneError."""
        disk.wait_until_unused(self.folder / inside.DISK)
        cgroups.make(self.cgroup)
        (self.folder / "inside").unlink(missing_ok=True)
        openssh = str(self._programs.unpacked or "-")
        self._namespaces = Namespaces.make(self.folder, self._environment, inside.__name__, self.name, openssh)
        self.link.plug(self._namespaces.first.pid, INTERFACE)
        for rule in configuration.FIREWALL:
            self.run("iptables", *rule)
        self._configure()
        for program in ("sshd", "containerd", "dockerd"):
            self.start(program)

    def power_cut(self) -> None:
        """All ends at once, and the disk has only what it had received: nothing more is written to it."""
        disk.cut(self.folder / inside.DISK, self.namespaces.path(inside.ON_DISK["docker"]))
        self._end()

    def power_off(self) -> None:
        """All ends, and what is written is kept."""
        self._end()

    def remove(self) -> None:
        """All ends, and nobody waits for its disk. Safe at any time, any number of times."""
        if self._namespaces:
            self.power_cut()
        self.link.remove()

    def wait_until_up(self, seconds: float = START) -> None:
        """Until SSH and Docker answer. Raises HostError and ProcessEnded."""
        self._processes["dockerd"].wait_until(self._docker_answers, seconds)
        self._processes["sshd"].wait_until(self._ssh_answers, seconds)

    def start(self, program: str) -> None:
        """Start `sshd`, `containerd` or `dockerd`."""
        words = self._programs.commands[program]
        log = self.folder / f"{program}.log"
        self._processes[program] = Process.start(program, self.namespaces.command(*words), log, dict(self._environment))

    def kill(self, program: str) -> None:
        """Kill `sshd` (with the connections it has), `containerd` or `dockerd` (containers run on without them)."""
        entered = self._processes.pop(program)
        (process,) = psutil.Process(entered.pid).children()
        for one in [process, *(process.children(recursive=True) if program == "sshd" else ())]:
            # A connection may end by itself in this moment.
            with suppress(psutil.NoSuchProcess):
                one.kill()
        entered.popen.wait(START)

    def run(self, *words: str, check: bool = True) -> str:
        """What a command wrote to standard output, run as root on the host. Raises HostError when it fails."""
        done = subprocess.run(
            self.namespaces.command(*words), capture_output=True, text=True, env=dict(self._environment)
        )
        if check and done.returncode:
            raise HostError(f"{self.name}: {' '.join(words)} says {done.stderr.strip()}", fix="see what it says")
        return done.stdout

    def docker(self) -> docker.DockerClient:
        """A client of its engine that goes past SSH and the network, to see what is really there."""
        return docker.DockerClient(base_url=f"unix://{self.namespaces.path('/run/docker.sock')}")

    def received(self) -> int:
        """Bytes that reached its network interface since it was switched on, packets' headers with them."""
        return self._counter("rx_bytes")

    def sent(self) -> int:
        """Bytes that left its network interface since it was switched on."""
        return self._counter("tx_bytes")

    def check(self) -> None:
        """Raises ProcessEnded when something that should run does not any more."""
        for process in self._processes.values():
            process.check()

    def new_host_key(self) -> None:
        """Another SSH host key than before, as after a new installation or in an attack; the server starts anew."""
        self.run("rm", "-f", configuration.HOST_KEY, f"{configuration.HOST_KEY}.pub")
        self.kill("sshd")
        self._configure()
        self.start("sshd")
        self._processes["sshd"].wait_until(self._ssh_answers, START)

    def _configure(self) -> None:
        root = self.namespaces.path("/")
        key = root / configuration.HOST_KEY[1:]
        (root / "etc/ssh/sshd_config").write_text(configuration.SSHD)
        (root / "etc/docker").mkdir(exist_ok=True)
        (root / "etc/containerd").mkdir(exist_ok=True)
        (root / "etc/containerd/config.toml").write_text(configuration.CONTAINERD)
        daemon = root / "etc/docker/daemon.json"
        if not key.exists():
            self.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", configuration.HOST_KEY)
            daemon.write_text(configuration.daemon(self.cgroup))
            self._authorize()
        kind, blob, *_ = key.with_suffix(".pub").read_text().split()
        self.host_key = f"{kind} {blob}"

    def _authorize(self) -> None:
        keys = configuration.AUTHORIZED_KEYS
        public = Path(f"{self.key_file}.pub").read_text()
        self.run("install", "-d", f"--owner={self.user}", "-m", "700", str(Path(keys).parent))
        (self.namespaces.path(keys)).write_text(public)
        self.run("chown", self.user, keys)
        self.run("chmod", "600", keys)

    def _end(self) -> None:
        self.namespaces.end()
        for process in self._processes.values():
            process.popen.wait(START)
        self._processes.clear()
        self._namespaces = None
        cgroups.remove(self.cgroup)

    def _counter(self, name: str) -> int:
        return int(self.namespaces.path(f"/sys/class/net/{INTERFACE}/statistics/{name}").read_text())

    def _docker_answers(self) -> bool:
        return ask_socket(self.namespaces.path("/run/docker.sock")).state == "ready"

    def _ssh_answers(self) -> bool:
        return f":{self.port} " in self.run("ss", "-ltn")
