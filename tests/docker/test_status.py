"""`make status`, `make report` and `make alert-test` on a real stack that is well, and on one that is not."""

from __future__ import annotations

import re
import signal
import socket
import time
from collections.abc import Iterator

import psutil
import pytest

from tests.docker import fast_stack, tiny_model
from tests.docker.project import Finished, Project
from tests.webhook import Hook, listening

# Where no image registry answers and nothing is cached, a quarter of an hour goes into compiling.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(2400)]


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    # The address that this machine has on Docker's own bridge.
    address = next(a.address for a in psutil.net_if_addrs()["docker0"] if a.family == socket.AF_INET)
    with listening(address) as hook:
        yield hook


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, hook: Hook) -> Iterator[Project]:
    """A stack with monitoring and a receiver, brought up as a person does it, that has answered some questions."""
    project = fast_stack.declare(tmp_path_factory.mktemp("seen"), "test-status")
    receivers = {"oncall": {"kind": "webhook", "url": hook.url}}
    project.change({"slm:monitoring": {"target": "laptop", "scrape_seconds": 5, "receivers": receivers}})
    try:
        project.ops("up", timeout=2300).must_succeed()
        # Prometheus has seen the gateway's counters before the questions, or no rate would see these.
        eventually(project, 0, "up, ready")
        key = next(iter(project.keys().values()))
        body = {"model": tiny_model.NAME, "prompt": "Hello", "max_tokens": 8}
        for _ in range(3):
            assert project.request("POST", "/v1/completions", key, json=body).status_code == 200
        yield project
    finally:
        fast_stack.remove(project)


def eventually(project: Project, code: int, *words: str, seconds: float = 180) -> Finished:
    """The status, once it ends with this code and has these words."""
    end = time.monotonic() + seconds
    while True:
        done = project.ops("status")
        if done.code == code and all(word in done.output for word in words):
            return done
        assert time.monotonic() < end, f"not {code} and {words} within {seconds} s:\n{done.output}"
        time.sleep(2)


def test_a_stack_that_is_well_is_shown_with_its_figures_and_code_0(seen: Project) -> None:
    # Its engine has been asked, so that the gateway knows how soon it answers.
    text = eventually(seen, 0, "up, ready", "nothing is broken", "predicted", " ms ").output
    first, second = re.findall(rf"(.*chat \(ollama\).*)\n(.*{tiny_model.NAME}.*)", text)[0]
    assert "MiB" in first
    assert re.search(r"\d+% of \d+ MiB", second), "its memory beside what was predicted"
    assert re.search(r"~\d+ ms", first), "the gateway's time to the first byte, because Ollama measures none"
    assert re.search(r"\b0, 0\b", first), "nobody is asking it"
    assert re.search(r"disk +/var/lib/docker: [\d.]+ GiB of [\d.]+ GiB, +\d+% left", text)


def test_watching_shows_it_until_it_is_interrupted(seen: Project) -> None:
    eventually(seen, 0)
    begin = time.monotonic()
    seen.ops("status").must_succeed()
    once = time.monotonic() - begin
    process = seen.start("status", "--watch")
    # Where nobody sees it, it is printed at its end alone: the first look has been taken after as long as one takes.
    time.sleep(8 + 2 * once)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert "up, ready" in output
    assert "Traceback" not in output


def test_a_report_has_plots_of_what_happened_and_no_key(seen: Project) -> None:
    eventually(seen, 0)
    done = seen.ops("report", "--hours", "1").must_succeed()
    [file] = (seen.folder / ".slm" / "reports").glob("test-status-*.html")
    assert str(file) in done.output
    text = file.read_text()
    drawn = re.findall(r'<svg role="img" aria-label="([^"]+)"', text)
    assert {"Requests", "Errors", "Time to the first byte", "Queue", "Memory"} <= set(drawn)
    assert not {"Cost", "Tokens made", "Key-value cache"} & set(drawn), "nobody knows these of this stack"
    assert "a machine of your own has none" in text
    cells = re.search(r"<td>chat \(ollama\)</td>(.*?)</tr>", text)
    assert cells
    _, answering, requests, errors, *_ = re.findall(r"<td>(.*?)</td>", cells.group(1))
    assert answering.endswith("%")
    assert 2 <= int(requests) <= 6, "the three of this test, and what up asked, as far as a rate saw them"
    assert errors == "0"
    assert not [name for name, key in seen.keys().items() if key in text]
    assert "<script" not in text


def test_a_test_alert_arrives_and_is_counted(seen: Project, hook: Hook) -> None:
    before = len(hook.alerts)
    done = seen.ops("alert-test").must_succeed()
    assert "taken     by oncall (webhook)" in done.output
    [alert] = [alert for alert in hook.alerts[before:] if alert["labels"]["alertname"] == "AlertTest"]
    assert alert["labels"]["severity"] == "critical"
    assert alert["labels"]["engine"] in done.output
    assert alert["status"] == "firing"
    seen.ops("alert-test", "--severity", "info").must_fail("no receiver", "takes info alerts")


def test_an_alert_that_a_receiver_refuses_is_no_success(seen: Project, hook: Hook) -> None:
    hook.status = 403
    try:
        done = seen.ops("alert-test").must_fail("oncall (webhook) did not take the alert", "clientError")
        # An alert of the stack's own may be refused in the same moment.
        assert re.search(r"failed tries: [1-9]", done.output), done.output
    finally:
        hook.status = 200


def test_an_engine_that_does_not_answer_is_code_1_and_named(seen: Project) -> None:
    eventually(seen, 0)
    chat = seen.containers()["chat"]
    chat.stop(timeout=1)
    try:
        text = eventually(seen, 1, "down", "chat does not answer: its clients get 503").output
        assert "Traceback" not in text
    finally:
        chat.start()
    eventually(seen, 0, "up, ready")


def test_a_part_of_monitoring_that_is_gone_is_code_1_and_named(seen: Project) -> None:
    loki = seen.containers()["loki"]
    loki.stop(timeout=5)
    try:
        eventually(seen, 1, "loki at loki:3100 gives no figures")
    finally:
        loki.start()
    eventually(seen, 0)


def test_without_prometheus_it_says_that_nobody_knows(seen: Project) -> None:
    prometheus = seen.containers()["prometheus"]
    prometheus.stop(timeout=30)
    try:
        for command in ("status", "report", "alert-test"):
            seen.ops(command).must_fail(
                "monitoring of stack 'test-status' does not answer", "make up STACK=test-status"
            )
    finally:
        prometheus.start()
    eventually(seen, 0)
