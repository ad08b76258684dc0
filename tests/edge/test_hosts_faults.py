"""What happens to test hosts is what its name says, and happens to no other host."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
import time

import docker
import pytest

from components.targets.docker import ssh
from components.targets.docker.tunnel import Tunnel
from rehearsal.hosts import Fleet, Host, HostError, Quality, faults
from rehearsal.real_node import cgroups
from tests.edge.conftest import MIB, target
from tests.edge.probes import LOST, connects, processes_of, reaches, round_trip, say

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]


def test_a_cut_of_one_host_is_not_seen_by_the_others(fleet: Fleet, host: Host) -> None:
    first, second = [one for one in fleet if one is not host]
    with faults.cut(host):
        assert not connects(host.address, host.port, LOST)
        assert not reaches(first, host, 22, LOST)
        assert connects(first.address, first.port)
        assert connects(second.address, second.port)
        assert reaches(first, second, 22)
    assert connects(host.address, host.port)
    assert reaches(first, host, 22)


def test_a_connection_outlives_a_cut(host: Host) -> None:
    command = ssh.command(target(host), "echo connected; sleep 6; echo still here")
    talking = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert talking.stdout
    assert talking.stdout.readline() == "connected\n"
    with faults.cut(host):
        assert not connects(host.address, host.port, LOST)
        time.sleep(LOST)
    said, _ = talking.communicate(timeout=60)
    assert said == "still here\n"


def test_a_bad_link_is_late_slow_and_loses_packets_and_only_that_of_its_host(host: Host, other: Host) -> None:
    with faults.bad_link(host, Quality(delay=0.4)):
        assert 0.8 <= round_trip(host) < 1.2
        assert round_trip(other) < 0.3
    with faults.bad_link(host, Quality(bits_per_second=8e6)):
        began = time.monotonic()
        assert len(say(host, f"head -c {2 * MIB} /dev/zero").stdout) == 2 * MIB
        assert 2.0 < time.monotonic() - began < 6
    with faults.bad_link(host, Quality(loss=0.5)):
        # A connection needs two packets, and is given up before a lost one is sent again: three of four fail.
        lost = sum(not connects(host.address, host.port, 0.5) for _ in range(40))
    assert 10 < lost < 40
    assert round_trip(host) < 0.3


def test_a_link_of_the_field_carries_a_whole_command(host: Host) -> None:
    with faults.bad_link(host, faults.FIELD):
        done = say(host, "docker version --format '{{.Server.Version}}'")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_a_power_cut_takes_all_processes_and_what_was_not_on_the_disk(host: Host, other: Host) -> None:
    engine = host.docker()
    identity = engine.info()["ID"]
    engine.close()
    host.run("sh", "-c", "echo old >/home/kept; sync")
    host.run("sh", "-c", "echo new >/home/lost")
    inside = processes_of(host)
    assert len(inside) >= 4, "the first one and three programs"
    with faults.no_power(host):
        assert not any(process.is_running() for process in inside)
        assert not connects(host.address, host.port, LOST)
        assert connects(other.address, other.port)
        with pytest.raises(HostError, match="is off"):
            host.run("true")
    assert host.run("ls", "/home").split() == ["kept", "slm"]
    assert target(host).host_key == host.host_key
    assert say(host, "true").returncode == 0
    engine = host.docker()
    assert engine.info()["ID"] == identity
    engine.close()


def sleeper() -> bytes:
    """The files of an image that has `sleep` and what it is linked with."""
    linked = subprocess.run(["ldd", "/bin/sleep"], capture_output=True, text=True, check=True).stdout
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", dereference=True) as tar:
        for path in ("/bin/sleep", *re.findall(r"/\S+", linked)):
            tar.add(path)
    return packed.getvalue()


def test_what_ran_on_a_host_runs_again_after_a_power_cut_without_this_machine(host: Host) -> None:
    client = host.docker()
    client.api.import_image_from_data(sleeper(), repository="slm.local/test-sleep", tag="1")
    started = client.containers.run(
        "slm.local/test-sleep:1", ["/bin/sleep", "1000"], name="steady", detach=True,
        restart_policy={"Name": "unless-stopped"},
    )  # fmt: skip
    client.close()
    groups = [tree / host.cgroup for tree in cgroups.trees()]
    assert any((group / str(started.id)).is_dir() for group in groups)
    host.run("sync")
    with faults.no_power(host):
        assert not any(group.exists() for group in groups)
    client = host.docker()
    again = client.containers.get("steady")
    assert again.status == "running"
    assert again.attrs["State"]["StartedAt"] > started.attrs["State"]["StartedAt"]
    again.remove(force=True)
    client.images.remove("slm.local/test-sleep:1")
    client.close()


def test_a_full_disk_is_the_hosts_own(host: Host, other: Host) -> None:
    with faults.full_disk(host, leave=MIB):
        assert "No space left" in say(host, f"head -c {4 * MIB} /dev/zero >big").stderr
        assert say(other, f"head -c {4 * MIB} /dev/zero >big && rm big").returncode == 0
    assert say(host, f"head -c {4 * MIB} /dev/zero >big && rm big").returncode == 0


def test_an_engine_that_is_killed_comes_back_with_what_it_had(host: Host) -> None:
    with Tunnel(target(host)) as tunnel:
        client = docker.DockerClient(base_url=tunnel.url)
        client.volumes.create("kept")
        with faults.no_engine(host):
            with pytest.raises((docker.errors.DockerException, OSError)):
                docker.DockerClient(base_url=tunnel.url)
            assert say(host, "true").returncode == 0
        assert [volume.name for volume in client.volumes.list()] == ["kept"]
        client.volumes.get("kept").remove()
        client.close()
