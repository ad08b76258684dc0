"""Whether this machine can have hosts; if not, the sentence that says what it lacks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from rehearsal.hosts.link import TUN
from rehearsal.hosts.programs import Programs
from rehearsal.real_node import requirements
from rehearsal.real_node.errors import CannotRun
from rehearsal.real_node.programs import on_path

COMMANDS = ("dockerd", "containerd", "docker", "ssh", "ssh-keygen", "ss", "mkfs.ext4", "losetup", "useradd")


def require() -> None:
    """Raises CannotRun, naming everything that is missing."""
    if found := list(lacking()):
        raise CannotRun(
            f"No edge host can run on this machine: {'; '.join(found)}",
            harm="nothing is known of fleets, of bad links and of power cuts",
            fix="as root on Linux: python3 tools/bootstrap.py --edge    which installs what is missing",
        )


def lacking() -> Iterator[str]:
    """What is missing, one sentence each; what cannot be asked for then is not asked."""
    found = list(requirements.lacking())
    yield from found
    if found:
        return
    if missing := [name for name in COMMANDS if not os.access(on_path(name), os.X_OK)]:
        yield f"these commands are missing: {', '.join(missing)}"
    if not os.access(Programs.installed().sshd, os.X_OK):
        yield "there is no SSH server"
    for device in (TUN, "/dev/loop-control"):
        if not Path(device).exists():
            yield f"the kernel has no {device}"
