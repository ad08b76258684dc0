"""Whether this machine can run a real node; if not, the sentence that says what it lacks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

from rehearsal.real_node import cgroups
from rehearsal.real_node.errors import CannotRun
from rehearsal.real_node.programs import on_path

COMMANDS = ("unshare", "nsenter", "mount", "ip", "iptables", "runc", "setpriv")


def require() -> None:
    """Raises CannotRun, naming everything that is missing."""
    if found := list(lacking()):
        raise CannotRun(
            f"No real node can run on this machine: {'; '.join(found)}",
            harm="no kubelet runs a container here, so nothing is known of real nodes",
            fix="run it as root on Linux, with control groups, overlayfs, iptables and runc (Docker's packages)",
        )


def lacking() -> Iterator[str]:
    """What is missing, one sentence each; what cannot be asked for then is not asked."""
    if sys.platform != "linux":
        yield f"kubelets run on Linux only, and this is {sys.platform}"
        return
    if os.geteuid() != 0:
        yield f"it takes root, and this is user {os.geteuid()}"
        return
    if missing := [name for name in COMMANDS if not os.access(on_path(name), os.X_OK)]:
        yield f"these commands are missing: {', '.join(missing)}"
        return
    if controllers := cgroups.missing():
        yield f"the kernel's control groups lack {', '.join(controllers)}"
    if "overlay" not in _filesystems():
        yield "the kernel has no overlayfs"
    for what, command in PROBES.items():
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            yield f"{what}: {done.stderr.strip() or done.returncode}"


_NAMESPACES = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--"]
PROBES = {
    "namespaces cannot be made": [*_NAMESPACES, "true"],
    "the firewall cannot be used": [*_NAMESPACES, str(on_path("iptables")), "-t", "nat", "-S"],
    "bridges cannot be made": [*_NAMESPACES, str(on_path("ip")), "link", "add", "probe0", "type", "bridge"],
    "virtual cables cannot be made": [*_NAMESPACES, str(on_path("ip")), "link", "add", "probe0", "type", "veth"],
}
"""Each is tried in namespaces of its own, which are gone when it ends."""


def _filesystems() -> set[str]:
    with open("/proc/filesystems") as listed:
        return {line.split()[-1] for line in listed if line.split()}
