"""The control group below which everything of a node lies, in either version of the kernel's control groups."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
NEEDED = ("cpu", "cpuset", "memory", "pids")


def unified() -> bool:
    """Whether this is version 2: one tree for all controllers."""
    return (ROOT / "cgroup.controllers").is_file()


def trees() -> list[Path]:
    """The roots of all trees: one in version 2, one for each controller in version 1."""
    if unified():
        return [ROOT]
    with open("/proc/self/mounts") as mounts:
        found = {Path(words[1]) for words in map(str.split, mounts) if words[2] in ("cgroup", "cgroup2")}
    return sorted(path for path in found if path.is_relative_to(ROOT))


def missing() -> list[str]:
    """Controllers that kubelets need and this kernel does not offer."""
    if unified():
        offered = set((ROOT / "cgroup.controllers").read_text().split())
    else:
        offered = {word for tree in trees() for word in tree.name.split(",")}
    return [name for name in NEEDED if name not in offered]


def make(name: str) -> None:
    """Make an empty group of that name at the top of every tree."""
    if unified():
        _delegate(ROOT)
    for tree in trees():
        (tree / name).mkdir(exist_ok=True)
        if unified():
            _delegate(tree / name)


def remove(name: str, seconds: float = 10.0) -> None:
    """Remove the group and all below it. The kernel lets go of one a moment after its last process has ended.

    Raises OSError when something still runs in it after so many seconds.
    """
    until = time.monotonic() + seconds
    for tree in trees():
        while (tree / name).exists():
            try:
                _remove(tree / name)
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)


def _remove(group: Path) -> None:
    for child in group.iterdir():
        if child.is_dir():
            _remove(child)
    with suppress(FileNotFoundError):
        group.rmdir()


def _delegate(group: Path) -> None:
    offered = (group / "cgroup.controllers").read_text().split()
    (group / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in NEEDED if name in offered))
