"""What happens to hosts: bad and cut links, full disks, power cuts, engines that die. Each for one `with` block."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rehearsal.hosts import disk, inside
from rehearsal.hosts.host import Host
from rehearsal.hosts.quality import Quality

FIELD = Quality(delay=0.4, loss=0.05, bits_per_second=1e6)
"""A site at the end of a bad radio link."""


@contextmanager
def bad_link(host: Host, quality: Quality = FIELD) -> Iterator[None]:
    """Everything to and from the host takes that link, also what is under way already."""
    host.link.set_quality(quality)
    try:
        yield
    finally:
        host.link.set_quality(None)


@contextmanager
def cut(host: Host) -> Iterator[None]:
    """Nothing reaches the host or leaves it, and nobody is told."""
    host.link.connect(False)
    try:
        yield
    finally:
        host.link.connect(True)


@contextmanager
def cut_for(host: Host, seconds: float) -> Iterator[None]:
    """Cut from the beginning of the block for so many seconds, while the block goes on; it ends when they are over."""
    host.link.connect(False)
    over = threading.Timer(seconds, host.link.connect, [True])
    over.start()
    try:
        yield
    finally:
        over.join()


@contextmanager
def full_disk(host: Host, leave: int = 0) -> Iterator[None]:
    """The host's disk has only so many bytes left."""
    filler = disk.fill(host.namespaces.path(inside.ON_DISK["log"]), leave)
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def wrong_clock(host: Host, seconds: int) -> Iterator[None]:
    """The host tells a time that is so many seconds ahead, or behind where they are negative.

    The kernel has one clock of the day for all namespaces, so it is the command `date` of this host that is wrong.
    """
    right = "/run/right-date"
    host.run("cp", "/usr/bin/date", right)
    script = host.namespaces.path("/run/wrong-date")
    script.write_text(f'#!/bin/sh\nexec {right} -d "@$(($({right} +%s) + {seconds}))" "$@"\n')
    script.chmod(0o755)
    host.run("mount", "--bind", "/run/wrong-date", "/usr/bin/date")
    try:
        yield
    finally:
        host.run("umount", "/usr/bin/date")


@contextmanager
def no_power(host: Host) -> Iterator[None]:
    """The host is off from one moment to the next; at the end it is on again, with what its disk had received."""
    host.power_cut()
    try:
        yield
    finally:
        host.power_on()
        host.wait_until_up()


@contextmanager
def no_engine(host: Host) -> Iterator[None]:
    """The host's Docker engine is killed; at the end another one takes over its containers."""
    host.kill("dockerd")
    try:
        yield
    finally:
        host.start("dockerd")
        host.wait_until_up()
