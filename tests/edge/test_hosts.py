"""The test hosts are real: their own SSH server, engine, firewall and identity."""

from __future__ import annotations

import subprocess
import time
from contextlib import suppress
from pathlib import Path

import docker
import psutil
import pytest

from components.targets.docker import ssh
from components.targets.docker.ssh_errors import SshError
from components.targets.docker.tunnel import Tunnel
from rehearsal.hosts import Fleet, Host
from tests.edge.conftest import target
from tests.edge.probes import LOST, connects, reaches, say

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]


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


def test_control_20_a_host_behind_another_is_reached_through_it_and_both_must_show_their_pinned_keys(
    fleet: Fleet, host: Host, other: Host
) -> None:
    jump = {"host": host.url, "host_key": host.host_key, "key_file": str(host.key_file)}
    behind = ("INPUT", "-s", fleet.control, "-j", "DROP")
    other.run("iptables", "-I", *behind)
    try:
        assert not connects(other.address, other.port, LOST)
        with Tunnel(target(other, jump=jump)) as tunnel:
            client = docker.DockerClient(base_url=tunnel.url)
            assert client.info()["Name"] == other.name
            client.close()
        for wrong in (
            target(other, jump={**jump, "host_key": other.host_key}),
            target(other, jump=jump, host_key=host.host_key),
        ):
            with pytest.raises(SshError) as refused:
                Tunnel(wrong).open()
            assert refused.value.failure.kind == "host key"
    finally:
        other.run("iptables", "-D", *behind)


def test_the_firewall_lets_in_ssh_and_nothing_else(host: Host, other: Host) -> None:
    script = "import socket; s = socket.create_server(('0.0.0.0', 8080)); s.accept()"
    listening = subprocess.Popen(host.namespaces.command("/usr/bin/python3", "-c", script))
    try:
        end = time.monotonic() + 60
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
            with suppress(psutil.NoSuchProcess):  # It ends by itself once somebody has connected.
                child.kill()
        listening.wait()
