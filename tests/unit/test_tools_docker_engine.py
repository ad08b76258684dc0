"""What is wrong with a Docker engine, told apart, and what is done about it where it may be done."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import UnixStreamServer
from typing import Any

import pytest

from tools import docker_engine
from tools.docker_engine import Engine, ask_socket, diagnose, ensure, explain
from tools.errors import ToolError

pytestmark = pytest.mark.unit

INFO = {
    "ServerVersion": "29.1.0",
    "CgroupVersion": "2",
    "MemTotal": 8 << 30,
    "NCPU": 4,
    "DockerRootDir": "/var/lib/docker",
    "Runtimes": {"runc": {}, "nvidia": {}},
    "SecurityOptions": ["name=seccomp,profile=builtin"],
}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where an engine is looked for."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    place = tmp_path / "docker.sock"
    monkeypatch.setattr(docker_engine, "sockets", lambda: [place])
    return place


@pytest.fixture
def info(path: Path) -> Iterator[dict[str, Any]]:
    """An engine that answers with this."""
    answer: dict[str, Any] = dict(INFO)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = json.dumps(answer).encode()
            self.send_response(500 if answer.get("broken") else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def address_string(self) -> str:
            return "local"

        def log_message(self, *_: Any) -> None:
            pass

    with UnixStreamServer(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield answer
        server.shutdown()
        thread.join()


def installed(monkeypatch: pytest.MonkeyPatch, *programs: str) -> None:
    monkeypatch.setattr(docker_engine.shutil, "which", lambda name: f"/usr/bin/{name}" if name in programs else None)


def person(monkeypatch: pytest.MonkeyPatch, uid: int) -> None:
    monkeypatch.setattr(docker_engine.os, "geteuid", lambda: uid)


def test_an_engine_that_answers_is_described_and_used(info: dict[str, Any], path: Path) -> None:
    engine = ensure(pytest.fail)
    assert engine.state == "ready"
    assert (engine.version, engine.cgroup, engine.cpus, engine.memory_mib) == ("29.1.0", "2", 4, 8192)
    assert engine.runtimes == ("nvidia", "runc")
    assert engine.notes == ()
    assert engine.environment() == {"DOCKER_HOST": f"unix://{path}"}, "clients would not find it by themselves"


def test_weak_spots_of_an_engine_are_noted(info: dict[str, Any]) -> None:
    info.update(CgroupVersion="1", SecurityOptions=[], PidsLimit=False, Warnings=["WARNING: No swap limit support"])
    notes = " / ".join(diagnose().notes)
    for part in ("version 1", "cannot limit", "no seccomp", "No swap limit support"):
        assert part in notes


def test_clients_need_no_help_with_the_systems_own_socket() -> None:
    assert Engine("ready", "unix:///var/run/docker.sock").environment() == {}


def test_docker_host_decides_where_to_look(info: dict[str, Any], path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}.other")
    assert diagnose().state in ("absent", "stopped")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    assert diagnose().state == "ready"


def test_a_remote_engine_that_does_not_answer_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    engine = diagnose()
    assert engine.state == "unreachable"
    assert "unset it" in explain(engine).fix


def test_no_permission_on_the_socket_is_told_with_both_ways_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(docker_engine.socket, "socket", type("Closed", (socket.socket,), {"connect": refuse}))
    assert diagnose().state == "forbidden"
    error = explain(diagnose())
    assert "you may not use its socket" in error.what
    assert "usermod -aG docker" in error.fix
    assert "rootless" in error.fix


def test_a_socket_nobody_listens_on_means_the_engine_is_stopped(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(path))
    assert ask_socket(path).state == "stopped"


def test_no_socket_but_a_dockerd_means_the_engine_is_stopped(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "dockerd")
    assert diagnose().state == "stopped"
    assert "systemctl start docker" in explain(diagnose()).fix


def test_no_socket_and_no_dockerd_means_none_is_installed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "dnf")
    assert diagnose().state == "absent"
    assert "sudo dnf install moby-engine" in explain(diagnose()).fix


def test_an_engine_that_accepts_but_fails_is_unreachable(info: dict[str, Any]) -> None:
    info["broken"] = True
    engine = diagnose()
    assert engine.state == "unreachable"
    assert "does not answer" in explain(engine).what


def test_an_ordinary_person_gets_the_commands_and_nothing_is_installed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, "apt-get")
    person(monkeypatch, 1000)
    monkeypatch.setattr(docker_engine.subprocess, "run", lambda *_, **__: pytest.fail("something was run"))
    with pytest.raises(ToolError) as told:
        ensure(pytest.fail)
    assert "sudo apt-get install docker.io iptables" in str(told.value)
    assert len(str(told.value).splitlines()) < 20


def test_root_on_debian_gets_an_engine_and_is_told_so(
    path: Path, info: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, "apt-get")
    person(monkeypatch, 0)
    ran: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        if "install" in command:
            installed(monkeypatch, "apt-get", "dockerd")
        return subprocess.CompletedProcess(command, 0, "", "")

    class Started:
        pid = 4711

        def __init__(self, command: list[str], **_: Any) -> None:
            ran.append(command)
            monkeypatch.setattr(docker_engine, "sockets", lambda: [path])

        def poll(self) -> None:
            return None

    monkeypatch.setattr(docker_engine, "sockets", lambda: [path.with_name("not-there")])
    monkeypatch.setattr(docker_engine, "SYSTEMD", path.with_name("no-systemd"))
    monkeypatch.setattr(docker_engine.subprocess, "run", run)
    monkeypatch.setattr(docker_engine.subprocess, "Popen", Started)
    said: list[str] = []
    engine = ensure(said.append)
    assert engine.state == "ready"
    assert engine.environment()[docker_engine.STARTED_VARIABLE] == "4711", "a test run stops what it started"
    assert ran[1][:2] == ["apt-get", "install"]
    assert ran[1][-2:] == ["docker.io", "iptables"]
    assert ran[-1] == ["dockerd"]
    assert any("installing the packages docker.io and iptables" in text for text in said)
    assert any("dockerd is started directly" in text for text in said)


def test_a_failed_installation_shows_what_apt_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "apt-get")
    person(monkeypatch, 0)
    failed = subprocess.CompletedProcess(["apt-get"], 100, "", "E: Unable to locate package docker.io\n")
    monkeypatch.setattr(docker_engine.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(ToolError, match="Unable to locate package"):
        ensure(lambda text: None)


def test_root_does_not_meddle_with_an_engine_that_docker_host_names(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person(monkeypatch, 0)
    installed(monkeypatch, "apt-get")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    monkeypatch.setattr(docker_engine.subprocess, "run", lambda *_, **__: pytest.fail("something was run"))
    with pytest.raises(ToolError, match="No Docker engine"):
        ensure(pytest.fail)
