"""An engine that is alive and does nothing is started again, by something that can do nothing else."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from components import watchdog
from ops import docker_exec
from ops.verify import broken_controls
from tests.docker import fast_stack, tiny_model
from tests.docker.monitored import eventually
from tests.docker.project import Project

pytestmark = pytest.mark.docker

PATIENCE = 10


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A stack whose unhealthy services are started again after ten seconds."""
    with fast_stack.declared(tmp_path_factory.mktemp("guarded"), "test-guarded") as project:
        project.change({"slm:targets": {"laptop": {"kind": "docker", "restart_unhealthy_seconds": PATIENCE}}})
        project.ops("up").must_succeed()
        yield project


def asked(project: Project, method: str, path: str) -> str:
    """What its proxy answers to a question from its own container."""
    script = (
        f"exec 3<>/dev/tcp/127.0.0.1/{watchdog.PORT}; "
        f"printf '{method} {path} HTTP/1.0\\r\\nHost: docker\\r\\nContent-Length: 0\\r\\n\\r\\n' >&3; head -n 1 <&3"
    )
    return docker_exec.run(project.containers()[watchdog.NAME], ["bash", "-c", script]).output.decode()


def test_control_10_11_13_it_holds_the_controls_and_reaches_nobody(guarded: Project) -> None:
    dog = guarded.containers()[watchdog.NAME]
    assert broken_controls(dog.attrs) == []
    assert set(dog.attrs["NetworkSettings"]["Networks"]) == {"none"}
    own = f"slm-{guarded.stack}-chat"
    assert " 200 " in asked(guarded, "GET", f"/containers/{own}/json")
    for method, path in (
        ("GET", "/containers/json"),
        ("GET", f"/containers/slm-{guarded.stack}-watchdog/json"),
        ("POST", f"/containers/{own}/kill"),
        ("POST", f"/containers/{own}/exec"),
        ("DELETE", f"/containers/{own}"),
        ("POST", "/containers/create"),
    ):
        assert " 403 " in asked(guarded, method, path), (method, path)


def test_nothing_is_left_to_do_right_after_up(guarded: Project) -> None:
    guarded.pulumi("preview", "--expect-no-changes").must_succeed()


def test_a_frozen_engine_is_started_again_and_answers(guarded: Project) -> None:
    chat = guarded.containers()["chat"]
    began, pids = chat.attrs["State"]["StartedAt"], [int(row[1]) for row in chat.top()["Processes"]]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)

    def again() -> bool:
        chat.reload()
        return bool(chat.attrs["State"]["StartedAt"] != began)

    eventually(again, "a restart", 300)
    key = next(iter(guarded.keys().values()))
    body = {"model": tiny_model.NAME, "messages": [{"role": "user", "content": "240 / 3?"}], "max_tokens": 8}
    eventually(lambda: guarded.request("POST", "/v1/chat/completions", key, json=body).status_code == 200, "an answer")
    dog = guarded.containers()[watchdog.NAME]
    eventually(lambda: '"did":"restarted"' in dog.logs().decode(), "a line about it")
    assert guarded.containers()["gateway"].attrs["RestartCount"] == 0
