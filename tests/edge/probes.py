"""What tests ask test hosts, from this machine and from one another."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from contextlib import suppress

import psutil

from components.targets.docker import ssh
from rehearsal.hosts import Host
from tests.edge.conftest import target

LOST = 1.5
"""Seconds after which what is to be lost is taken for lost."""

TRIPS = 5
"""Of which the fastest tells how long the way is: whatever else this machine does makes the others longer."""


def say(host: Host, words: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """A command on the host, by the system's SSH client."""
    command = ssh.command(target(host, **changes), words)
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def connects(address: str, port: int, seconds: float = 10.0) -> bool:
    with socket.socket() as probe:
        probe.settimeout(seconds)
        try:
            probe.connect((address, port))
        except OSError:
            return False
        return True


def round_trip(host: Host) -> float:
    """Seconds that a new connection takes: one round trip, the fastest of TRIPS."""
    took = []
    for _ in range(TRIPS):
        began = time.monotonic()
        assert connects(host.address, host.port)
        took.append(time.monotonic() - began)
    return min(took)


def reaches(one: Host, other: Host, port: int, seconds: float = 10.0) -> bool:
    """Whether a host can connect to another's port."""
    script = f"timeout {seconds} bash -c '</dev/tcp/{other.address}/{port}' 2>/dev/null && echo yes || echo no"
    return one.run("bash", "-c", script).strip() == "yes"


def processes_of(host: Host) -> list[psutil.Process]:
    """Everything that runs on a host. A number alone may be another process's by the time that somebody asks for it."""
    own, found = os.readlink(f"/proc/{host.namespaces.first.pid}/ns/pid"), []
    for pid in psutil.pids():
        with suppress(OSError, psutil.NoSuchProcess):  # it ended since it was listed
            if os.readlink(f"/proc/{pid}/ns/pid") == own:
                found.append(psutil.Process(pid))
    return found
