"""An SSH server for the test hosts, where this system has none: its package is unpacked in the cache, not installed.

An installed server would be started, and would be open to the network at every boot from then on.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tools.errors import ToolError
from tools.places import cache_directory

PACKAGES = ("openssh-server", "libwrap0")
"""The server, and what it needs that systems without it lack."""

COMMANDS = {
    "ssh": "openssh-client",
    "ip": "iproute2",
    "iptables": "iptables",
    "unshare": "util-linux",
    "mkfs.ext4": "e2fsprogs",
    "useradd": "passwd",
}
"""What else the hosts take, and the packages that have it."""

PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
Say = Callable[[str], None]


def folder() -> Path:
    """Where the unpacked server lies; may not exist yet."""
    return cache_directory() / "tools" / "openssh-server" / platform.freedesktop_os_release().get("VERSION_ID", "0")


def ensure(say: Say) -> None:
    """Install the commands that are missing, as root on Debian or Ubuntu, and unpack a server; `say` is told.

    Raises ToolError with the command that does it where that cannot be done.
    """
    missing = sorted({package for name, package in COMMANDS.items() if not shutil.which(name, path=PATH)})
    if missing:
        say(f"test hosts: installing the packages {', '.join(missing)} with apt-get")
        _apt("update", "-qq")
        _apt("install", "-y", "-qq", "--no-install-recommends", *missing)
    if shutil.which("sshd", path=PATH) or (folder() / "usr/sbin/sshd").exists():
        return
    say("test hosts: unpacking an SSH server in the cache; none is installed or started on this machine")
    _unpack(folder())


def _apt(*words: str, cwd: Path | None = None) -> None:
    command = ["apt-get", *words]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise ToolError(
            "The test hosts lack programs, and this is not root on Debian or Ubuntu",
            harm="no edge host can run here",
            fix=f"as root, or with this system's own package manager: {' '.join(command)}",
        )
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=cwd)
    if done.returncode and words[0] != "update":
        tail = "\n".join("    " + line for line in done.stderr.strip().splitlines()[-8:])
        raise ToolError(f"apt-get failed:\n{tail}", fix=" ".join(["mend that, then:", *command]))


def _unpack(target: Path) -> None:
    work = target.with_name(f".{target.name}.part")
    shutil.rmtree(work, ignore_errors=True)
    root = work / "root"
    (root / "usr" / "lib").mkdir(parents=True)
    # Some packages name /lib, which is a link to /usr/lib on every system that has them.
    (root / "lib").symlink_to("usr/lib")
    _apt("update", "-qq")
    _apt("download", "-qq", "-o", "APT::Sandbox::User=root", *PACKAGES, cwd=work)
    for package in sorted(work.glob("*.deb")):
        done = subprocess.run(["dpkg-deb", "--extract", str(package), str(root)], capture_output=True, text=True)
        if done.returncode:
            raise ToolError(f"{package.name} cannot be unpacked: {done.stderr.strip()}", fix="see what it says")
    target.parent.mkdir(parents=True, exist_ok=True)
    root.rename(target)
    shutil.rmtree(work)
