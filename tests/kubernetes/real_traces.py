"""What a real node leaves on this machine, which is to be nothing."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from rehearsal.real_node import cgroups
from tests.kubernetes.conftest import running


def processes_of(folder: Path) -> list[int]:
    """Everything that runs in the network or below the first process of the node that has the folder."""
    (first,) = [p for p in psutil.process_iter(["cmdline"]) if is_first(p.info["cmdline"] or [], folder)]
    return [first.pid, *(child.pid for child in first.children(recursive=True)), *in_namespace_of(first.pid)]


def is_first(command: list[str], folder: Path) -> bool:
    # unshare has the same words, but for its own before them.
    return command[1:] == ["-m", "rehearsal.real_node.inside", str(folder)]


def in_namespace_of(pid: int) -> list[int]:
    network = os.readlink(f"/proc/{pid}/ns/net")
    found = []
    for process in psutil.process_iter():
        try:
            if os.readlink(f"/proc/{process.pid}/ns/net") == network:
                found.append(process.pid)
        except OSError:
            continue
    return found


def gone(folder: Path, ours: list[int]) -> None:
    """Nothing is left of the node that had the folder: processes, files, control groups, mounts, cable."""
    assert running(ours) == []
    assert not folder.exists()
    assert [tree for tree in cgroups.trees() if (tree / folder.name).exists()] == []
    assert folder.name not in Path("/proc/self/mounts").read_text()
    owner = folder.name.removeprefix("slm-real-node-").split("-")[0]
    assert f"slmnode{owner}" not in psutil.net_if_addrs()
