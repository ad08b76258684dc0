"""The test hosts are real: their own SSH server, engine, firewall and disk; their faults are what they say."""

from __future__ import annotations

import io
import os
import re
import socket
import subprocess
import tarfile
import time
from contextlib import suppress
from pathlib import Path

import docker
import psutil
import pytest

from components.targets.docker import ssh
from components.targets.docker.ssh_errors import SshError
from components.targets.docker.tunnel import Tunnel
from rehearsal.hosts import Fleet, Host, HostError, Quality, faults
from rehearsal.real_node import cgroups
from tests.edge.conftest import MIB, target

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]


@pytest.fixture
def other(fleet: Fleet) -> Host:
    """Another host than `host`."""
    return fleet["oslo-1"]


def say(host: Host, words: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """A command on the host, by the system's SSH client."""
    command = ssh.command(target(host, **changes), words)
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


LOST = 1.5
"""Seconds after which what is to be lost is taken for lost."""


def connects(address: str, port: int, seconds: float = 10.0) -> bool:
    with socket.socket() as probe:
        probe.settimeout(seconds)
        try:
            probe.connect((address, port))
        except OSError:
            return False
        return True


def round_trip(host: Host) -> float:
    """Seconds that a new connection takes: one round trip."""
    began = time.monotonic()
    assert connects(host.address, host.port)
    return time.monotonic() - began


def test_each_of_three_hosts_has_its_own_engine_that_answers_through_ssh(fleet: Fleet) -> None:
    names, engines = set(), set()
    for host in fleet:
        done = say(host, "docker info --format '{{.Name}} {{.Driver}} {{.ID}}'")
        assert done.returncode == 0, done.stderr
        name, driver, engine = done.stdout.split(" ", 2)
        assert driver == "overlay2"
        names.add(name)
        engines.add(engine)
    assert names == {"berlin-1", "berlin-2", "oslo-1"}
    here = docker.from_env()
    assert len(engines | {here.info()["ID"]}) == 4
    here.close()


def test_an_engine_answers_pulumis_provider_by_dial_stdio(host: Host) -> None:
    request = b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"
    command = ssh.command(target(host), "docker system dial-stdio")
    answer = subprocess.run(command, input=request, capture_output=True, timeout=60).stdout
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b"OK")


def test_an_engine_is_a_socket_here_through_a_tunnel(host: Host) -> None:
    with Tunnel(target(host)) as tunnel:
        client = docker.DockerClient(base_url=tunnel.url)
        assert client.info()["Name"] == host.name
        client.close()


def test_control_20_a_changed_host_key_is_refused_and_nothing_is_sent(host: Host) -> None:
    pinned, before = target(host), host.host_key
    host.new_host_key()
    assert host.host_key != before
    with pytest.raises(SshError) as refused:
        Tunnel(pinned).open()
    assert refused.value.failure.kind == "host key"
    assert "Accepted" not in (host.folder / "sshd.log").read_text().splitlines()[-1]
    with Tunnel(target(host)):
        pass


def test_no_password_and_no_other_key_lets_in(host: Host, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    done = say(host, "true", key_file=str(key))
    assert done.returncode == 255
    assert "Permission denied (publickey)" in done.stderr


def reaches(one: Host, other: Host, port: int, seconds: float = 10.0) -> bool:
    """Whether a host can connect to another's port."""
    script = f"timeout {seconds} bash -c '</dev/tcp/{other.address}/{port}' 2>/dev/null && echo yes || echo no"
    return one.run("bash", "-c", script).strip() == "yes"


def test_the_firewall_lets_in_ssh_and_nothing_else(host: Host, other: Host) -> None:
    script = "import socket; s = socket.create_server(('0.0.0.0', 8080)); s.accept()"
    listening = subprocess.Popen(host.namespaces.command("/usr/bin/python3", "-c", script))
    try:
        end = time.monotonic() + 20
        while "0.0.0.0:8080" not in host.run("ss", "-ltn"):
            assert time.monotonic() < end
            time.sleep(0.1)
        assert connects(host.address, 22)
        assert reaches(other, host, 22)
        assert not connects(host.address, 8080, LOST)
        assert not reaches(other, host, 8080, LOST)
        host.run("iptables", "-I", "INPUT", "-p", "tcp", "--dport", "8080", "-j", "ACCEPT")
        assert reaches(other, host, 8080), "it was the firewall that did not let it in"
    finally:
        host.run("iptables", "-D", "INPUT", "-p", "tcp", "--dport", "8080", "-j", "ACCEPT", check=False)
        for child in psutil.Process(listening.pid).children():
            child.kill()
        listening.wait()


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
    command = ssh.command(target(host), "sleep 6; echo still here")
    talking = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    time.sleep(1)
    with faults.cut_for(host, 3):
        assert not connects(host.address, host.port, LOST)
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
        lost = sum(not connects(host.address, host.port, 0.5) for _ in range(20))
    assert 5 < lost < 20
    assert round_trip(host) < 0.3


def test_a_link_of_the_field_carries_a_whole_command(host: Host) -> None:
    with faults.bad_link(host, faults.FIELD):
        done = say(host, "docker version --format '{{.Server.Version}}'")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def processes_of(host: Host) -> list[int]:
    """Everything that runs on a host."""
    own, found = os.readlink(f"/proc/{host.namespaces.first.pid}/ns/pid"), []
    for pid in psutil.pids():
        with suppress(OSError):  # it ended since it was listed
            if os.readlink(f"/proc/{pid}/ns/pid") == own:
                found.append(pid)
    return found


def test_a_power_cut_takes_all_processes_and_what_was_not_on_the_disk(host: Host, other: Host) -> None:
    engine = host.docker()
    identity = engine.info()["ID"]
    engine.close()
    host.run("sh", "-c", "echo old >/home/kept; sync")
    host.run("sh", "-c", "echo new >/home/lost")
    inside = processes_of(host)
    assert len(inside) >= 4, "the first one and three programs"
    with faults.no_power(host):
        assert not any(psutil.pid_exists(pid) for pid in inside)
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


def test_two_fleets_live_beside_each_other_and_one_leaves_nothing_behind(fleet: Fleet, host: Host) -> None:
    before = circumstances()
    with Fleet(("berlin-1", "far-2"), disk_gib=2) as second:
        assert not {one.address for one in second} & {one.address for one in fleet}
        folder, group = second.folder, second.folder.name
        client = second["berlin-1"].docker()
        client.networks.create("one")
        client.close()
        pids = [pid for one in second for pid in processes_of(one)]
        assert all((tree / group).is_dir() for tree in cgroups.trees())
        assert len(circumstances()["loop devices"]) == len(before["loop devices"]) + 2
    assert not folder.exists()
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    assert not any((tree / group).exists() for tree in cgroups.trees())
    for what, there in circumstances().items():
        assert set(there) <= set(before[what]), what
    assert say(host, "true").returncode == 0


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
