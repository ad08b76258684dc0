"""A bad link: passes Ethernet frames between two TAP devices, late, slowly and not all of them.

`python -m rehearsal.hosts.link NEAR FAR DELAY LOSS BITS_PER_SECOND READY`, in the network where the devices are to be.
The file READY is written when both are there; it ends when they are removed.

Linux has netem for this, but kernels of small virtual machines are often built without it; TAP devices nearly all have.
"""

from __future__ import annotations

import errno
import fcntl
import os
import random
import selectors
import struct
import sys
import time
from collections import deque
from pathlib import Path

from rehearsal.hosts.quality import Quality

TUN = "/dev/net/tun"
TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
LARGEST = 65536
QUEUE = 1000
"""Frames that wait in each direction at most, as in netem; what comes on top is lost."""

GONE = (errno.EBADFD, errno.EIO, errno.ENODEV)
"""What a read or write gives when the device was removed."""


class Direction:
    """One way of the link: takes frames, and gives them back when they are due. Time is in seconds, of any clock."""

    def __init__(self, quality: Quality, chance: random.Random) -> None:
        self._quality, self._chance = quality, chance
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._sent = 0.0

    def take(self, frame: bytes, now: float) -> None:
        """A frame enters the link, or is lost."""
        if self._chance.random() < self._quality.loss or len(self._waiting) >= QUEUE:
            return
        rate = self._quality.bits_per_second
        self._sent = max(now, self._sent) + (len(frame) * 8 / rate if rate else 0.0)
        self._waiting.append((self._sent + self._quality.delay, frame))

    @property
    def due(self) -> float | None:
        """When the next frame leaves it; None when there is none."""
        return self._waiting[0][0] if self._waiting else None

    def give(self, now: float) -> list[bytes]:
        """The frames that are due."""
        given = []
        while self._waiting and self._waiting[0][0] <= now:
            given.append(self._waiting.popleft()[1])
        return given


def words(quality: Quality) -> list[str]:
    """The quality as arguments of this program."""
    return [str(quality.delay), str(quality.loss), str(quality.bits_per_second or 0)]


def carry(near: int, far: int, quality: Quality) -> None:
    """Pass frames between two open devices until one of them is removed."""
    chance = random.Random(1)  # noqa: S311  # the same losses in every run
    ways = {near: (far, Direction(quality, chance)), far: (near, Direction(quality, chance))}
    with selectors.DefaultSelector() as ready:
        for device in ways:
            ready.register(device, selectors.EVENT_READ)
        while True:
            due = [way.due for _, way in ways.values() if way.due is not None]
            wait = max(0.0, min(due) - time.monotonic()) if due else None
            for key, _ in ready.select(wait):
                ways[key.fd][1].take(os.read(key.fd, LARGEST), time.monotonic())
            for other, way in ways.values():
                for frame in way.give(time.monotonic()):
                    write(other, frame)


def write(device: int, frame: bytes) -> None:
    """Pass a frame on. One for a device that is not up yet is lost, as on a real line; reading tells its end."""
    try:
        os.write(device, frame)
    except OSError as error:
        if error.errno != errno.EIO:
            raise


def tap(name: str) -> int:
    """A new TAP device of that name: its file descriptor. The kernel splits large packets and makes their checksums
    before it hands them over, as this asks for no offload."""
    device = os.open(TUN, os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return device


def main(near: str, far: str, delay: str, loss: str, bits_per_second: str, ready: str) -> None:
    """Make the devices and carry."""
    ends = tap(near), tap(far)
    Path(ready).touch()
    try:
        carry(*ends, Quality(float(delay), float(loss), float(bits_per_second) or None))
    except OSError as error:
        if error.errno not in GONE:
            raise


if __name__ == "__main__":
    main(*sys.argv[1:])
