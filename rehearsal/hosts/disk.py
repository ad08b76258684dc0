"""A host's disk: a file system in a file, so that it can be full, and can lose what had not reached it yet."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from rehearsal.hosts.commands import command, run
from rehearsal.hosts.errors import HostError

SHUTDOWN = 0x8004587D
"""The ioctl EXT4_IOC_SHUTDOWN."""

WITHOUT_LOG = 2
"""What is not on the disk yet, and the journal that is not, never get there."""

MIB = 1 << 20
RELEASE = 20.0
"""Seconds in which the kernel lets go of a disk whose users have ended."""


def make(file: Path, gib: int) -> None:
    """An empty ext4 file system of that size. Raises HostError."""
    with file.open("wb") as disk:
        disk.truncate(gib << 30)
    words = command("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,nodiscard", str(file))
    run(words, "The host's disk cannot be made")


def cut(file: Path, somewhere: Path) -> None:
    """From now on nothing is written to the disk, and reading gives errors; `somewhere` is a path that lies on it.

    Raises HostError when it lies on another one, as the same would happen to that.
    """
    opened = os.open(somewhere, os.O_RDONLY)
    try:
        device = os.fstat(opened).st_dev
        backing = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/loop/backing_file")
        if not backing.exists() or not file.samefile(backing.read_text().rstrip("\n")):
            raise HostError(f"{somewhere} is not on the disk {file}", fix="see which file systems the host has mounted")
        fcntl.ioctl(opened, SHUTDOWN, WITHOUT_LOG.to_bytes(4, "little"))
    finally:
        os.close(opened)


def wait_until_unused(file: Path) -> None:
    """Until no mount has it any more. Raises HostError."""
    until = time.monotonic() + RELEASE
    while used := run(command("losetup", "--associated", str(file))).strip():
        if time.monotonic() > until:
            raise HostError(f"The disk is still in use: {used}", fix="see which process has files of it open")
        time.sleep(0.05)


def fill(folder: Path, leave: int) -> Path:
    """A file that takes all free space of the file system in which `folder` lies, but `leave` bytes."""
    filler = folder / "filler"
    free = os.statvfs(folder)
    size = free.f_bavail * free.f_frsize - leave
    if size > 0:
        with filler.open("wb") as opened:
            os.posix_fallocate(opened.fileno(), 0, size)
    else:
        filler.touch()
    return filler
