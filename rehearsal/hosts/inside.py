"""The first process of a host's namespaces: puts the host's own disk, configuration and users in place, then waits.

`python -m rehearsal.hosts.inside FOLDER NAME OPENSSH`. What the disk holds outlives a power cut, what is in /run does
not. OPENSSH is a folder with the unpacked files of an SSH server, or `-` where the system has one.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from uuid import uuid4

from rehearsal.real_node.inside import live, mount, own_sys

USER = "slm"
DISK = "disk.img"
ON_DISK = {
    "docker": "/var/lib/docker",
    "containerd": "/var/lib/containerd",
    "home": "/home",
    "log": "/var/log",
}
"""Folders of the disk, and where they are seen."""


def prepare(folder: Path, name: str, openssh: str) -> None:
    """Mount all of it, and on a new disk make the users."""
    socket.sethostname(name)
    own_sys(folder)
    disk = folder / "disk"
    disk.mkdir(exist_ok=True)
    mount("-o", "loop", str(folder / DISK), str(disk))
    for one in (*ON_DISK, "etc", "etc.work"):
        (disk / one).mkdir(exist_ok=True)
    unpacked = Path(openssh)
    lower = "/etc"
    if openssh != "-":
        mount("-t", "overlay", "-o", f"lowerdir={unpacked / 'usr'}:/usr,ro", "overlay", "/usr")
        lower = f"{unpacked / 'etc'}:/etc"
    options = f"lowerdir={lower},upperdir={disk / 'etc'},workdir={disk / 'etc.work'}"
    mount("-t", "overlay", "-o", options, "overlay", "/etc")
    mount("-t", "tmpfs", "-o", "mode=755,size=256m", "tmpfs", "/run")
    for one in ("sshd", "lock"):
        Path("/run", one).mkdir()
    for one, path in ON_DISK.items():
        Path(path).mkdir(parents=True, exist_ok=True)
        mount("--bind", str(disk / one), path)
    if not Path("/home", USER).exists():
        _first_start()


def _first_start() -> None:
    """What makes a new machine one of its own, and the account that deploys: it is in the group of the Docker engine's
    socket and has no password."""
    Path("/etc/machine-id").write_text(f"{uuid4().hex}\n")
    # What this machine has there is its own: the engine's identity, the server's keys.
    shutil.rmtree("/etc/docker", ignore_errors=True)
    for key in Path("/etc/ssh").glob("ssh_host_*"):
        key.unlink()
    # The account under which an SSH server reads what strangers send; a system without the server's package lacks it.
    unprivileged = ["useradd", "--system", "--no-create-home", "--home-dir=/run/sshd", "sshd"]
    for words in (
        *(() if "\nsshd:" in Path("/etc/passwd").read_text() else (unprivileged,)),
        ["groupadd", "--force", "docker"],
        ["useradd", "--create-home", "--groups=docker", "--shell=/bin/bash", USER],
        # With `!`, as useradd leaves it, an SSH server takes the account for a locked one.
        ["usermod", "--password=*", USER],
    ):
        subprocess.run(words, check=True, env={**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})


if __name__ == "__main__":
    _, where, called, server = sys.argv
    live(Path(where), partial(prepare, name=called, openssh=server))
