"""The first process of a node's namespaces: makes its mounts, then waits; when it ends, everything of the node does.

`python -m rehearsal.real_node.inside FOLDER`, as process 1 of mount, network and process namespaces of its own. It
writes FOLDER/inside when the mounts are made.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

KERNEL_SETTINGS = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1000000,
    "kernel/keys/root_maxbytes": 25000000,
}
"""What a kubelet sets on its machine at its start. These are of the whole machine, which is not the node's alone: the
node sees files of its own in their place."""

READY = "inside"


def main(folder: Path) -> None:
    """Make the mounts and wait for the end."""
    for wanted in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wanted, lambda *_: sys.exit(0))
    mounts(folder)
    (folder / READY).touch()
    while True:
        # What loses its parent in these namespaces becomes a child of this process.
        try:
            os.wait()
        except ChildProcessError:
            signal.sigtimedwait({signal.SIGCHLD}, 1.0)


def mounts(folder: Path) -> None:
    """Paths that kubelet, containerd and network plugins insist on become the node's own."""
    # What is mounted in a pod's folder must reach containers that run already; nothing of it leaves these namespaces.
    _mount("--make-rshared", "/")
    # The control groups lie below /sys, whose mount is of the machine's network and not of the node's.
    groups = folder / "cgroup"
    groups.mkdir()
    _mount("--rbind", "/sys/fs/cgroup", str(groups))
    _mount("-t", "sysfs", "sysfs", "/sys")
    _mount("--rbind", str(groups), "/sys/fs/cgroup")
    for path in ("/run", "/var/lib"):
        _mount("-t", "tmpfs", "-o", "mode=755,size=256m", "tmpfs", path)
    for name, path in {"kubelet": "/var/lib/kubelet", "log": "/var/log"}.items():
        (folder / name).mkdir()
        Path(path).mkdir(exist_ok=True)
        _mount("--bind", str(folder / name), path)
    settings = folder / "kernel"
    for name, value in KERNEL_SETTINGS.items():
        own = settings / name
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_text(f"{value}\n")
        _mount("--bind", str(own), f"/proc/sys/{name}")


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
