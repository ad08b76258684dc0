"""Of test hosts nothing is left."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from rehearsal.hosts import Fleet, Host
from rehearsal.hosts.fleet import remove_abandoned
from rehearsal.real_node import cgroups
from tests.edge.probes import processes_of, say
from tools.places import CHECKOUT

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]


def test_two_fleets_live_beside_each_other_and_one_leaves_nothing_behind(fleet: Fleet, host: Host) -> None:
    before = circumstances()
    with Fleet(("berlin-1", "far-2"), disk_gib=2) as second:
        assert not {one.address for one in second} & {one.address for one in fleet}
        folder, group = second.folder, second.folder.name
        client = second["berlin-1"].docker()
        client.networks.create("one")
        client.close()
        processes = [process for one in second for process in processes_of(one)]
        assert all((tree / group).is_dir() for tree in cgroups.trees())
        assert len(circumstances()["loop devices"]) == len(before["loop devices"]) + 2
    assert not folder.exists()
    assert not [process for process in processes if process.is_running()]
    assert not any((tree / group).exists() for tree in cgroups.trees())
    for what, there in circumstances().items():
        assert set(there) <= set(before[what]), what
    assert say(host, "true").returncode == 0


def test_a_fleet_whose_owner_is_killed_ends_with_it_and_the_next_one_removes_the_rest() -> None:
    script = (
        "from rehearsal.hosts import Fleet\n"
        "with Fleet(['far-1'], disk_gib=2) as fleet:\n"
        "    print(fleet.folder, fleet['far-1'].namespaces.first.pid, flush=True)\n"
        "    input()\n"
    )
    command = [sys.executable, "-c", script]
    owner = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT)
    assert owner.stdin
    assert owner.stdout
    folder, pid = owner.stdout.readline().split()
    first = psutil.Process(int(pid))
    owner.kill()
    owner.wait()
    end = time.monotonic() + 60
    while first.is_running():
        assert time.monotonic() < end, "the host runs on without its owner"
        time.sleep(0.1)
    assert Path(folder).exists()
    remove_abandoned()
    assert not Path(folder).exists()
    assert not any((tree / Path(folder).name).exists() for tree in cgroups.trees())
    owner.stdin.close()
    owner.stdout.close()


def circumstances() -> dict[str, list[str]]:
    """What a fleet adds to on this machine."""
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    me = psutil.Process()
    return {
        "interfaces": sorted(name for name in psutil.net_if_addrs() if name.startswith("slmhosts")),
        "mounts": sorted(line for line in mounts if "slm-hosts-" in line),
        "loop devices": sorted(map(str, Path("/sys/block").glob("loop*/loop/backing_file"))),
        "folders": sorted(name for name in os.listdir("/tmp") if name.startswith("slm-hosts-")),
        "children": sorted(str(child.pid) for child in me.children(recursive=True)),
    }
