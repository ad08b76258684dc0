"""A neighbour that is killed while it gives its weights away, in the middle of a real deployment."""

from __future__ import annotations

import time
from pathlib import Path

from ops.verify import broken_controls
from rehearsal.hosts import Host, Quality, faults
from tests.docker.project import Finished, Project
from tests.edge.running import Running

SLOW = Quality(bits_per_second=3e6)
"""On which three megabytes take about ten seconds: what tests have for the middle."""

HELD = (*range(1, 9), 10, 11, 14)
"""Controls that a container holds which nobody waits for and nobody starts again."""


def up_with_its_neighbour_killed(project: Project, giver: Host, taker: Host, size: int) -> tuple[Finished, int]:
    """Deploy, and kill the giver's server when the taker has a fifth of the weights; gives how many bytes it had."""
    running = Running(project.start("up"))
    running.wait_for("wave 2 of", 600)
    with faults.bad_link(giver, SLOW):
        had = _wait_for_part(running, taker, size // 5)
        _kill(giver, f"slm-{project.stack}.{giver.name}.share")
        # The others' connections to the giver are still needed, and fast again.
    return running.end(900), had


def _kill(host: Host, name: str) -> None:
    """Look at the container, then kill it."""
    client = host.docker()
    try:
        container = client.containers.get(name)
        assert [one for one in broken_controls(container.attrs) if one.control in HELD] == []
        mounts = {mount["Destination"]: mount["RW"] for mount in container.attrs["Mounts"]}
        assert [writable for path, writable in mounts.items() if path.startswith("/weights/")] == [False]
        container.kill()
    finally:
        client.close()


def _wait_for_part(running: Running, host: Host, size: int) -> int:
    volumes, end = host.namespaces.path("/var/lib/docker/volumes"), time.monotonic() + 400
    while time.monotonic() < end:
        had = sum(_bytes(part) for part in volumes.glob("*/_data/fetched/*.part"))
        if had >= size:
            return had
        assert running.goes_on, running.output
        time.sleep(0.02)
    raise AssertionError(f"no weights came:\n{running.output}")


def _bytes(part: Path) -> int:
    try:
        return part.stat().st_size
    except FileNotFoundError:
        return 0
