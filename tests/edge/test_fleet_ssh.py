"""The real OpenSSH client against real hosts: what is trusted, what is refused and how that is told, what is shared."""

from __future__ import annotations

import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
import pytest

from components.targets.docker import ssh
from components.targets.docker.ssh_errors import SshError
from components.targets.docker.tunnel import Tunnel
from components.targets.spec import Docker
from components.targets.spec.ssh import Jump
from ops.hosts.facts import gather
from ops.hosts.remote import weak_spots
from rehearsal.hosts import Fleet, Host
from tests.edge.conftest import target

pytestmark = pytest.mark.edge


def failure(spec: Docker) -> SshError:
    with pytest.raises(SshError) as raised, Tunnel(spec):
        raise AssertionError("it was let in")
    return raised.value


@pytest.fixture
def other_key(tmp_path: Path) -> str:
    """A key that no host lets in."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    return str(tmp_path / "other")


def jump(host: Host, **changes: str) -> Jump:
    return Jump(**{"host": host.url, "host_key": host.host_key, "key_file": str(host.key_file), **changes})


def test_a_pinned_host_is_reached_and_nothing_is_left_when_it_is_closed(host: Host) -> None:
    spec = target(host)
    with Tunnel(spec) as tunnel:
        client = docker.DockerClient(base_url=tunnel.url)
        assert client.ping()
        client.close()
        folder = tunnel.socket("docker").parent
        assert folder.stat().st_mode & 0o077 == 0, "only this user reaches the engine through it"
    assert not folder.exists()
    assert not ssh.expanded(ssh.shared(spec), Path.home()).exists()


def test_what_talks_to_the_host_meanwhile_shares_the_connection_or_makes_its_own(host: Host) -> None:
    spec = target(host)

    def ask(_number: int) -> int:
        words = ssh.command(spec, "docker", "version", "--format", "{{.Server.Version}}")
        return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=60).returncode

    # A server allows ten sessions in one connection; whoever comes later is still served.
    with Tunnel(spec), ThreadPoolExecutor(16) as threads:
        assert list(threads.map(ask, range(16))) == [0] * 16


def test_a_second_tunnel_beside_the_first_works_and_does_not_take_its_place(host: Host) -> None:
    with Tunnel(target(host)) as first:
        with Tunnel(target(host)) as second:
            assert docker.DockerClient(base_url=second.url).ping()
        assert docker.DockerClient(base_url=first.url).ping()


def test_a_jump_host_that_fails_is_told_as_the_one_that_does(fleet: Fleet, other_key: str) -> None:
    host, gate = fleet["oslo-1"], fleet["berlin-1"]
    for changes, kind in (({"host_key": host.host_key}, "host key"), ({"key_file": other_key}, "key refused")):
        error = failure(target(host).model_copy(update={"jump": jump(gate, **changes)}))
        assert error.failure.kind == kind
        assert f"the jump host {gate.url}" in error.failure.what


def test_control_20_the_agents_key_is_used_when_no_file_is_named(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = target(host).model_copy(update={"key_file": None})
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    assert failure(spec).failure.kind == "key refused"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(tmp_path / "agent")], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        end = time.monotonic() + 60
        # The socket is there a moment before it answers; two is the code of a client that nobody answers.
        while subprocess.run(["ssh-add", "-l"], capture_output=True).returncode == 2:
            assert time.monotonic() < end, "the agent does not answer"
            time.sleep(0.05)
        subprocess.run(["ssh-add", "-q", str(host.key_file)], check=True, env=dict(os.environ))
        with Tunnel(spec) as tunnel:
            assert docker.DockerClient(base_url=tunnel.url).ping()
    finally:
        agent.terminate()
        agent.wait(10)


def test_why_a_host_cannot_be_used_is_told_apart(host: Host, other_key: str) -> None:
    assert failure(target(host, key_file=other_key)).failure.kind == "key refused"
    assert failure(target(host, key_file="/nowhere/key")).failure.kind == "key file"
    elsewhere = target(host).model_copy(update={"host": "ssh://slm@no-such-host.invalid:22"})
    assert failure(elsewhere).failure.kind == "unknown name"
    host.run("gpasswd", "-d", host.user, "docker")
    try:
        error = failure(target(host))
    finally:
        host.run("gpasswd", "-a", host.user, "docker")
    assert error.failure.kind == "not in group"
    assert f"usermod -aG docker {host.user}" in error.failure.fix
    host.kill("dockerd")
    try:
        host.run("mv", "/run/docker.sock", "/run/docker.sock.away")
        assert failure(target(host)).failure.kind == "no Docker"
    finally:
        host.run("rm", "-f", "/run/docker.sock.away", "/run/docker.pid")
        host.start("dockerd")
        host.wait_until_up()


def test_control_19_what_a_host_is_like_is_read_over_ssh(host: Host) -> None:
    facts = gather(target(host), "/var/lib/docker")
    assert abs(facts.skew) < 5
    assert 0 < facts.disk_free <= facts.disk_total
    assert facts.listens("0.0.0.0", host.port)
    assert not facts.listens("0.0.0.0", 8443)
    assert facts.settings is not None
    client = host.docker()
    notes = " ".join(weak_spots(client.info(), facts))
    client.close()
    assert "live-restore is off" in notes
    assert "icc is on" in notes
