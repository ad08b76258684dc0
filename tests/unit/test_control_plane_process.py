"""Processes of the control plane: what is read when one fails, and that none stays."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rehearsal.control_plane import ControlPlane, MissingProgram, PortTaken, ProcessEnded, Programs
from rehearsal.control_plane.certificates import Authority
from rehearsal.control_plane.errors import ControlPlaneError, NoAnswer
from rehearsal.control_plane.ports import free_ports, require_free
from rehearsal.control_plane.premises import PREFIX, Premises
from rehearsal.control_plane.process import Process
from tools.places import CHECKOUT

pytestmark = pytest.mark.unit

ENVIRONMENT = {"PATH": os.environ["PATH"]}


def start(folder: Path, script: str) -> Process:
    return Process.start("subject", ["sh", "-c", script], folder / "subject.log", ENVIRONMENT)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except (ProcessLookupError, FileNotFoundError):  # Also between the two.
        return True


def test_a_process_that_ended_is_told_with_its_last_lines(tmp_path: Path) -> None:
    process = start(tmp_path, "for i in $(seq 30); do echo line $i; done; exit 3")
    process.popen.wait(60)
    with pytest.raises(ProcessEnded, match=r"subject ended by itself \(exit code 3\)") as told:
        process.check()
    assert "line 30" in str(told.value)
    assert "line 20\n" not in str(told.value)
    assert "fix:" in str(told.value)


def test_a_process_that_ends_before_it_is_ready_is_not_waited_for(tmp_path: Path) -> None:
    process = start(tmp_path, "echo the port is taken; exit 1")
    began = time.monotonic()
    with pytest.raises(ProcessEnded, match="the port is taken"):
        process.wait_until(lambda: False, 60)
    assert time.monotonic() - began < 30


def test_a_process_that_never_becomes_ready_is_told_and_can_be_stopped(tmp_path: Path) -> None:
    process = start(tmp_path, "echo waiting for something; exec sleep 60")
    with pytest.raises(ProcessEnded, match="was not ready after 1 s") as told:
        process.wait_until(lambda: False, 1)
    assert "waiting for something" in str(told.value)
    process.stop()
    assert not process.running
    process.stop()


def test_a_process_that_ignores_the_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rehearsal.control_plane.process.PATIENCE", 0.2)
    process = start(tmp_path, "trap '' TERM; echo up; while :; do sleep 0.1; done")
    process.wait_until(lambda: "up" in process.tail(), 60)
    process.stop()
    assert process.popen.returncode == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such bond")
def test_a_process_ends_with_the_one_that_started_it_even_when_that_is_killed(tmp_path: Path) -> None:
    stubborn = "trap '' TERM; while :; do sleep 0.2; done"
    program = (
        "import os, sys, time; from pathlib import Path; from rehearsal.control_plane.process import Process\n"
        f"p = Process.start('child', ['sh', '-c', {stubborn!r}], Path({str(tmp_path / 'log')!r}), {ENVIRONMENT!r})\n"
        "print(p.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    child = int(parent.stdout.readline())
    # The bond is there once setpriv has become the program; on a busy machine that takes a moment.
    until = time.monotonic() + 30
    while Path(f"/proc/{child}/comm").read_text() != "sh\n":
        assert time.monotonic() < until, "the program did not start"
        time.sleep(0.01)
    assert not gone(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until = time.monotonic() + 60
    while not gone(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert gone(child)


def test_a_missing_program_is_named_with_the_command_that_brings_it(tmp_path: Path) -> None:
    there = tmp_path / "etcd"
    there.touch(mode=0o755)
    programs = Programs(there, *(tmp_path / name for name in ("kube-apiserver", "manager", "scheduler", "kwok")))
    with pytest.raises(MissingProgram, match="lacks kube-apiserver, manager, scheduler, kwok") as told:
        ControlPlane(programs=programs).start()
    assert "tools/bootstrap.py --rehearsal" in str(told.value)


def test_a_taken_port_is_told_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "program").touch(mode=0o755)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        plane = ControlPlane(port=port, programs=Programs(*[tmp_path / "program"] * 5))
        with pytest.raises(PortTaken, match=f"Port {port} of 127.0.0.1") as told:
            plane.start()
    assert "ss -ltnp" in str(told.value)
    assert plane.processes == []
    require_free(port)


def test_free_ports_differ() -> None:
    assert len(set(free_ports(5))) == 5


def test_the_first_process_that_fails_ends_the_start_and_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "work"))
    (tmp_path / "work").mkdir()
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho no space left on device\nexit 9\n")
    program.chmod(0o755)
    with pytest.raises(ProcessEnded, match=r"etcd ended by itself \(exit code 9\)") as told:
        ControlPlane(programs=Programs(*[program] * 5)).__enter__()
    assert "no space left on device" in str(told.value)
    assert list((tmp_path / "work").iterdir()) == []


def test_an_interrupt_while_it_starts_leaves_nothing_running(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho $$ > {tmp_path / 'pid'}\nexec sleep 60\n")
    program.chmod(0o755)
    script = (
        "from pathlib import Path; from rehearsal.control_plane import ControlPlane, Programs\n"
        f"with ControlPlane(programs=Programs(*[Path({str(program)!r})] * 5)): pass"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    child = subprocess.Popen(
        [sys.executable, "-c", script], cwd=CHECKOUT, env=environment, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 120
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=120)
    assert "KeyboardInterrupt" in errors
    assert gone(int((tmp_path / "pid").read_text()))
    assert list(tmp_path.glob("slm-control-plane-*")) == []


def test_what_died_is_told_at_the_end_of_a_block_that_had_no_failure_of_its_own(tmp_path: Path) -> None:
    plane = ControlPlane()
    plane.processes.append(start(tmp_path, "echo out of memory; exit 137"))
    plane.processes[0].popen.wait(60)
    with pytest.raises(ProcessEnded, match="out of memory"):
        plane.__exit__(None, None, None)
    assert plane.processes == []


def test_what_does_not_run_has_no_server() -> None:
    with pytest.raises(ControlPlaneError, match="does not run"):
        _ = ControlPlane().server


def test_the_folder_of_an_owner_that_was_killed_goes_at_the_next_start_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ended = subprocess.Popen(["true"])
    ended.wait()
    abandoned, used, foreign = (tmp_path / f"{name}-x" for name in (f"{PREFIX}{ended.pid}", f"{PREFIX}1", "other-1"))
    for folder in (abandoned, used, foreign):
        (folder / "certificates").mkdir(parents=True)
    Premises.make(0).remove()
    assert sorted(tmp_path.iterdir()) == sorted([used, foreign])


def test_a_server_that_cannot_be_reached_is_an_error_with_a_way_out() -> None:
    premises = Premises.make(0)
    try:
        with premises.api() as api:
            assert not api.healthy("/readyz")
            with pytest.raises(NoAnswer, match="did not answer GET /api/v1/nodes") as told:
                api.items("/api/v1/nodes")
    finally:
        premises.remove()
    assert "fix:" in str(told.value)


def test_keys_are_their_owners_only(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "certificates")
    authority.server("loopback")
    authority.service_account_key()
    for key in (tmp_path / "certificates").glob("*.key"):
        assert key.stat().st_mode & 0o077 == 0, key
    assert (tmp_path / "certificates").stat().st_mode & 0o077 == 0


def test_a_kubeconfig_is_its_owners_only() -> None:
    premises = Premises.make(0)
    try:
        assert premises.kubeconfig("someone", "someone").stat().st_mode & 0o077 == 0
    finally:
        premises.remove()
    assert not premises.folder.exists()
