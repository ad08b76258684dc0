"""When a pod counts as started, ready and alive, how it is told to read its files again, and how it ends."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.targets.kubernetes.probes import (
    LAST_SECONDS,
    SETTLE_SECONDS,
    before_stopping,
    fresh_script,
    grace_seconds,
    liveness_probe,
    readiness_probe,
    reload_script,
    startup_probe,
)
from components.workload import Probe, SecretFile
from tests.unit.kubernetes_samples import job, service

pytestmark = pytest.mark.unit
WORKLOAD = service()
PROBE = WORKLOAD.probe or Probe(command=("x",))


@given(st.integers(1, 60), st.integers(5, 3600))
def test_control_30_the_budget_to_start_in_is_never_shorter_than_the_engine_says(interval: int, startup: int) -> None:
    probe = Probe(command=("x",), interval=interval, startup=startup)
    found = startup_probe(service(), probe)
    budget = found["periodSeconds"] * found["failureThreshold"]
    assert startup <= budget < startup + interval


def test_control_29_ready_and_alive_are_two_questions() -> None:
    ready, alive = readiness_probe(WORKLOAD, PROBE), liveness_probe(PROBE)
    assert ready["exec"]["command"] == ["bash", "/etc/slm/probe.sh"]
    assert (ready["periodSeconds"], ready["timeoutSeconds"], ready["failureThreshold"]) == (7, 40, 4)
    assert alive["exec"]["command"] == ["bash", "/etc/slm/probe.sh"], "a connection says nothing of what stands still"
    assert alive["periodSeconds"] * alive["failureThreshold"] >= 300, "busy is not dead"
    assert alive["periodSeconds"] * alive["failureThreshold"] > 4 * ready["periodSeconds"] * ready["failureThreshold"]
    assert alive["timeoutSeconds"] == 30
    for probe in (ready, alive, startup_probe(WORKLOAD, PROBE)):
        assert set(probe) == {"exec", "periodSeconds", "timeoutSeconds", "failureThreshold"}, "no host, no delay"


def test_a_probe_that_is_asked_seldom_is_believed_even_later() -> None:
    slow = Probe(command=("x",), interval=60, retries=8)
    assert liveness_probe(slow)["periodSeconds"] == 120
    assert liveness_probe(slow)["failureThreshold"] == 16


def test_control_37_the_kubelet_waits_longer_than_pre_stop_and_drain() -> None:
    assert grace_seconds(WORKLOAD) == SETTLE_SECONDS + 33 + LAST_SECONDS
    assert LAST_SECONDS >= 10
    assert grace_seconds(job(drain=5)) == 5 + LAST_SECONDS


def test_control_37_a_pod_serves_until_nobody_sends_it_requests_any_more() -> None:
    assert before_stopping(WORKLOAD) == {"preStop": {"sleep": {"seconds": SETTLE_SECONDS}}}


def test_a_signal_of_its_own_is_sent_from_inside_and_the_drain_waited_for() -> None:
    command = before_stopping(service(stop_signal="SIGUSR1"))["preStop"]["exec"]["command"]
    assert command == ["sh", "-c", f"sleep {SETTLE_SECONDS}; kill -USR1 1; sleep 33"]


def test_only_a_workload_that_can_reload_and_has_what_changes_looks_for_changes() -> None:
    secrets = (SecretFile(name="keys", secret="keys"),)
    for workload in (service(secrets=secrets), service(reload_signal="SIGUSR2")):
        assert readiness_probe(workload, PROBE)["exec"]["command"] == ["bash", "/etc/slm/probe.sh"]
    command = readiness_probe(service(secrets=secrets, reload_signal="SIGUSR2"), PROBE)["exec"]["command"]
    assert command[:2] == ["sh", "-c"]
    assert "kill -USR2 1" in command[2]
    assert command[-2:] == ["bash", "/etc/slm/probe.sh"]


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A process that writes a line for each SIGUSR2, and the file it writes to."""
    heard = tmp_path / "heard"
    script = f"trap 'echo again >>{heard}' USR2; echo started >>{heard}; while :; do sleep 0.05; done"
    running = subprocess.Popen(["sh", "-c", script])
    until(lambda: heard.exists() and "started" in heard.read_text())
    yield running.pid, heard
    running.kill()
    running.wait()


def until(condition: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    assert callable(condition)
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def swap(files: Path, name: str) -> None:
    """What the kubelet does to a mounted Secret: a new folder, and one link changed at one instant."""
    (files / name).mkdir(parents=True)
    (files / "link").symlink_to(name)
    os.replace(files / "link", files / "..data")


def test_a_process_hears_of_changed_files_once_and_the_probe_still_answers(
    process: tuple[int, Path], tmp_path: Path
) -> None:
    pid, heard = process
    files, seen = tmp_path / "files", tmp_path / "seen"
    swap(files, "..2026_1")
    script = reload_script("SIGUSR2", str(files), str(seen), pid)

    def probe(*command: str) -> int:
        return subprocess.run(["sh", "-c", script, "probe", *command]).returncode

    assert probe("true") == 0
    assert probe("false") == 1
    assert heard.read_text() == "started\n", "what it read at its start is not news"
    swap(files, "..2026_2")
    assert probe("sh", "-c", "exit 7") == 7, "the probe's own answer counts"
    until(lambda: "again" in heard.read_text())
    assert probe("true") == 0
    assert probe("true") == 0
    time.sleep(0.3)
    assert heard.read_text() == "started\nagain\n"


def test_what_an_earlier_process_left_is_gone_before_the_first_question(tmp_path: Path) -> None:
    old, new = tmp_path / "a" / "answered", tmp_path / "b" / "socket"
    for file in (old, new):
        file.parent.mkdir()
    old.write_text("")
    time.sleep(4.2)  # the margin of two seconds, and two clocks that each leave out up to one
    running = subprocess.Popen(["sleep", "60"])
    try:
        new.write_text("")
        script = fresh_script([str(old.parent), str(new.parent)], running.pid)
        code = subprocess.run(["sh", "-c", script, "probe", "sh", "-c", 'exit "$1"', "x", "3"]).returncode
    finally:
        running.kill()
        running.wait()
    assert code == 3, "the probe's own answer counts"
    assert not old.exists()
    assert new.exists(), "what the process itself wrote stays"


def test_a_workload_without_scratch_has_nothing_to_clear() -> None:
    bare = service(scratch=())
    assert startup_probe(bare, PROBE)["exec"]["command"] == ["bash", "/etc/slm/probe.sh"]
    assert "find /tmp /work " in startup_probe(WORKLOAD, PROBE)["exec"]["command"][2]
