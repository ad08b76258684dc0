"""The first process of a node's namespaces: makes its mounts, then waits; when it ends, everything of the node does.

`python -m rehearsal.real_node.inside FOLDER`, as process 1 of mount, network and process namespaces of its own. It
writes FOLDER/inside when the mounts are made.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
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

PROCESSORS = 8
"""What the node tells the scheduler it has, where the machine has fewer. Requests are promises, and those of a whole
stack are more than a small machine has; what runs shares what there is."""

SHOWN = Path("/sys/devices/system/cpu")
READY = "inside"


def main(folder: Path) -> None:
    """Make the mounts and wait for the end."""
    live(folder, mounts)


def live(folder: Path, prepare: Callable[[Path], None]) -> None:
    """Be the first process of namespaces: prepare them, say so by FOLDER/inside, and wait for the end."""
    for wanted in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wanted, lambda *_: sys.exit(0))
    prepare(folder)
    (folder / READY).touch()
    while True:
        # What loses its parent in these namespaces becomes a child of this process.
        try:
            os.wait()
        except ChildProcessError:
            signal.sigtimedwait({signal.SIGCHLD}, 1.0)


def mounts(folder: Path) -> None:
    """Paths that kubelet, containerd and network plugins insist on become the node's own."""
    own_sys(folder)
    for path in ("/run", "/var/lib"):
        mount("-t", "tmpfs", "-o", "mode=755,size=256m", "tmpfs", path)
    for name, path in {"kubelet": "/var/lib/kubelet", "log": "/var/log"}.items():
        (folder / name).mkdir()
        Path(path).mkdir(exist_ok=True)
        mount("--bind", str(folder / name), path)
    settings = folder / "kernel"
    for name, value in KERNEL_SETTINGS.items():
        own = settings / name
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_text(f"{value}\n")
        mount("--bind", str(own), f"/proc/sys/{name}")
    if (os.cpu_count() or 1) < PROCESSORS:
        processors(folder, PROCESSORS)


def processors(folder: Path, count: int) -> None:
    """Show so many in /sys, where the kubelet counts them; only the machine's own have a place and are switched on, as
    it binds its pods to those. Containers have a /sys of their own with the machine's.
    """
    shown, nodes = folder / "processors", folder / "memory-nodes"
    for number in range(count):
        topology, own = (folder / f"cpu{number}" / "topology" for folder in (shown, SHOWN))
        topology.mkdir(parents=True)
        for name in ("core_id", "physical_package_id"):
            if (own / name).exists():
                shutil.copyfile(own / name, topology / name)
    shutil.copyfile(SHOWN / "online", shown / "online")
    mount("--bind", str(shown), str(SHOWN))
    # Where the kernel tells which memory is near which processor, the kubelet would count there.
    nodes.mkdir()
    if Path("/sys/devices/system/node").is_dir():
        mount("--bind", str(nodes), "/sys/devices/system/node")


def own_sys(folder: Path) -> None:
    """/sys becomes that of the own network, with the machine's control groups in it."""
    # What is mounted in a container's folder must reach containers that run already; nothing of it leaves these
    # namespaces.
    mount("--make-rshared", "/")
    # The control groups lie below /sys, whose mount is of the machine's network and not of the own one.
    groups = folder / "cgroup"
    groups.mkdir(exist_ok=True)
    mount("--rbind", "/sys/fs/cgroup", str(groups))
    mount("-t", "sysfs", "sysfs", "/sys")
    mount("--rbind", str(groups), "/sys/fs/cgroup")


def mount(*arguments: str) -> None:
    """The command of that name. Raises CalledProcessError; what it says goes to standard error."""
    subprocess.run(["mount", *arguments], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
