"""What a real node leaves on this machine, which is to be nothing."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from rehearsal.real_node import cgroups
from tests.kubernetes.conftest import running, wait


def processes_of(folder: Path) -> list[psutil.Process]:
    """Everything that runs in the network or below the first process of the node that has the folder."""
    (pid,) = [p.pid for p in psutil.process_iter(["cmdline"]) if is_first(p.info["cmdline"] or [], folder)]
    # psutil keeps what it has listed, and would take it for an older process of that number.
    first = psutil.Process(pid)
    return [first, *first.children(recursive=True), *in_namespace_of(pid)]


def is_first(command: list[str], folder: Path) -> bool:
    # unshare has the same words, but for its own before them.
    return command[1:] == ["-m", "rehearsal.real_node.inside", str(folder)]


def in_namespace_of(pid: int) -> list[psutil.Process]:
    network = os.readlink(f"/proc/{pid}/ns/net")
    found = []
    for one in psutil.pids():
        try:
            if os.readlink(f"/proc/{one}/ns/net") == network:
                found.append(psutil.Process(one))
        except (OSError, psutil.NoSuchProcess):
            continue
    return found


def gone(folder: Path, ours: list[psutil.Process]) -> None:
    """Nothing is left of the node that had the folder: processes, files, control groups, mounts, cable."""
    assert running(ours) == []
    assert not folder.exists()
    assert [tree for tree in cgroups.trees() if (tree / folder.name).exists()] == []
    assert folder.name not in Path("/proc/self/mounts").read_text()
    owner = folder.name.removeprefix("slm-real-node-").split("-")[0]
    # Of a node that was killed the kernel removes it a moment after the network at its other end.
    wait(lambda: f"slmnode{owner}" not in psutil.net_if_addrs(), "the cable to go")
