"""What goes wrong on a person's first day: each with the message it gives, and that the same command mends it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import httpx
import psutil
import pytest
from docker.models.containers import Container

from ops.recovery import pulumi_runs
from ops.smoke import ANSWER
from tests.docker import half_hub, tiny_model
from tests.docker.fast_stack import declare, declared, remove
from tests.docker.project import Finished, Project

# Some bring a stack up two or three times, which takes minutes on a busy machine.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(1200)]

ALL = {"chat", "chat-files", "gateway", "gateway-files"}
NO_PROXY = {"HTTPS_PROXY": "", "https_proxy": ""}


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    found = docker.from_env()
    yield found
    found.close()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Project]:
    """A stack that was never deployed."""
    with declared(tmp_path, "test-fresh") as project:
        yield project


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A stack that is up. Tests break it and leave it mended."""
    project = declare(tmp_path_factory.mktemp("day"), "test-day")
    try:
        project.first_up = project.ops("up").must_succeed()
        yield project
    finally:
        remove(project)


def answers(project: Project) -> bool:
    body = {"model": tiny_model.NAME, "messages": [{"role": "user", "content": "240 / 3?"}], "max_tokens": 8}
    key = list(project.keys().values())[-1]
    answer = project.request("POST", "/v1/chat/completions", key, json=body)
    return answer.status_code == 200 and answer.json()["choices"][0]["message"]["content"].strip() == ANSWER


def whole(project: Project) -> None:
    """The stack is complete: nothing twice, nothing that is in the way of the next run, nothing left to do."""
    assert set(project.containers(everything=True)) == ALL
    assert set(project.containers()) == {"chat", "gateway"}
    assert sorted(project.leftovers()) == sorted(
        [f"slm-{project.stack}-{name}" for name in (*ALL, "egress", "internal", "published")]
    )
    assert locks(project) == []
    assert answers(project)
    project.pulumi("preview", "--expect-no-changes").must_succeed()


def locks(project: Project) -> list[Path]:
    return list((project.folder / ".slm/state/.pulumi/locks").glob(f"**/{project.stack}/*.json"))


def untouched(project: Project) -> bool:
    """Whether neither the engine nor the state has anything of the stack."""
    return not project.leftovers() and not list((project.folder / ".slm").glob("state/.pulumi/stacks/slm/*.json"))


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> float:
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < seconds, f"{what} did not happen in {seconds} s"
        time.sleep(0.1)
    return time.monotonic() - begin


def kill_everything(process: subprocess.Popen[str]) -> None:
    """SIGKILL to a command and all its descendants at once, as a crash of the machine would."""
    family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for act in (psutil.Process.suspend, psutil.Process.kill):
        for member in family:
            # A program that was just ending has ended.
            with suppress(psutil.NoSuchProcess):
                act(member)
    process.communicate()


# ---- before anything is deployed ----


def test_the_engine_does_not_run(fresh: Project, tmp_path: Path) -> None:
    nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    fresh.ops("up", environment=nowhere).must_fail("engine", f"{tmp_path}/none.sock", "nothing was changed", "fix:")
    assert untouched(fresh)


def test_the_socket_may_not_be_used(fresh: Project, tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0)
        powers = "-dac_override,-dac_read_search"
        as_a_person = ["setpriv", "--bounding-set", powers, "--inh-caps", powers] if os.geteuid() == 0 else []
        done = subprocess.run(
            [*as_a_person, sys.executable, "-m", "ops", "up", "--stack", fresh.stack],
            cwd=fresh.folder,
            env={**os.environ, "DOCKER_HOST": f"unix://{path}", "NO_COLOR": "1"},
            capture_output=True,
            text=True,
        )
    Finished(done.returncode, done.stdout + done.stderr).must_fail("may not use its socket", "usermod -aG docker")
    assert untouched(fresh)


def test_the_port_is_taken_by_a_process(fresh: Project) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", fresh.port))
        other.listen()
        name = psutil.Process().name()
        fresh.ops("up").must_fail(f"port {fresh.port}", f"'{name}' (pid {os.getpid()})", "slm:gateway: port")
    assert untouched(fresh)


def test_the_port_is_taken_by_another_container(fresh: Project, running: Project, client: docker.DockerClient) -> None:
    fresh.change({"slm:gateway": {"port": running.port}})
    fresh.ops("up").must_fail(f"port {running.port}", f"container 'slm-{running.stack}-gateway'")
    assert untouched(fresh)


def test_the_disk_is_too_small_for_the_weights(fresh: Project) -> None:
    fresh.change({"slm:models": {tiny_model.NAME: {"weights": {tiny_model.WEIGHTS: {"size_bytes": 10**15}}}}})
    fresh.ops("up").must_fail("the disk of", "(1200000.0 GB, a fifth of it headroom", "docker system df")
    assert untouched(fresh)


def test_the_memory_is_too_small_for_the_model(fresh: Project) -> None:
    fresh.change({"slm:models": {tiny_model.NAME: {"kv_heads": 1000, "head_size": 4096}}})
    fresh.ops("up").must_fail("memory limits (chat", "more than this host's", "choose a smaller model")
    assert untouched(fresh)


def test_the_engines_memory_limit_is_too_small_for_the_model(fresh: Project) -> None:
    fresh.change({"slm:engines": {"chat": {"memory": "128Mi"}}})
    fresh.ops("up").must_fail("memory limit 128Mi is below", "Set memory to")
    assert untouched(fresh)


def test_more_cpus_are_asked_for_than_there_are(fresh: Project) -> None:
    fresh.change({"slm:engines": {"chat": {"cpus": 1000}}})
    fresh.ops("up").must_fail("'chat' asks for 1000 CPUs", "cpus to")
    assert untouched(fresh)


def test_the_description_is_broken_yaml(fresh: Project) -> None:
    lines = fresh.file.read_text().splitlines()
    fresh.file.write_text("\n".join([*lines, "  slm:security: ["]) + "\n")
    fresh.ops("up").must_fail(f"Pulumi.{fresh.stack}.yaml:{len(lines) + 2}:1", "close quotes and brackets")
    assert untouched(fresh)


def test_down_of_a_stack_that_was_never_up_is_no_error(fresh: Project) -> None:
    for arguments in (["down"], ["down", "--purge"]):
        assert "never deployed from here" in fresh.ops(*arguments).must_succeed().output
    assert not (fresh.folder / ".slm").exists()


# ---- half-way ----


def test_the_hub_breaks_off_and_the_next_up_goes_on_from_there(tmp_path: Path) -> None:
    with declared(tmp_path, "test-half") as project, half_hub.serving(weights(tmp_path)) as hub:
        serve_from(project, hub, tmp_path)
        project.ops("up", environment=NO_PROXY).must_fail("huggingface", "kept", "make up STACK=test-half")
        assert project.containers() == {"gateway": project.containers()["gateway"]}, "the engine was not started"
        assert hub.starts[0] == 0
        hub.starts.clear()
        hub.mended.set()
        assert "weights from huggingface" in project.ops("up", environment=NO_PROXY).must_succeed().output
        assert hub.starts == [hub.stop_at], "exactly the missing half was served"
        whole(project)


def test_after_a_failed_up_down_leaves_nothing(tmp_path: Path) -> None:
    with declared(tmp_path, "test-failed") as project:
        project.change({"slm:models": {tiny_model.NAME: tiny_model.with_sha256("0" * 64)}})
        project.ops("up").must_fail("sha256", "make up STACK=test-failed")
        assert project.leftovers()
        project.ops("down", "--purge").must_succeed()
        assert untouched(project)


def test_ctrl_c_in_the_middle_and_then_up_again(tmp_path: Path) -> None:
    with declared(tmp_path, "test-ctrlc") as project, half_hub.serving(weights(tmp_path), silent=True) as hub:
        serve_from(project, hub, tmp_path)
        process = project.start("up", environment=NO_PROXY)
        assert hub.stopped.wait(300)
        os.killpg(process.pid, signal.SIGINT)
        begin = time.monotonic()
        output, _ = process.communicate(timeout=300)
        print(f"up ended {time.monotonic() - begin:.1f} s after the interrupt")
        Finished(process.returncode, output).must_fail("interrupted", "run the same command again")
        assert process.returncode == 130
        assert locks(project) == []
        assert "chat-fetch" not in project.containers(everything=True), "the download would go on unseen"
        hub.starts.clear()
        hub.mended.set()
        project.ops("up", environment=NO_PROXY).must_succeed()
        assert hub.starts == [hub.stop_at]
        whole(project)


def test_ctrl_c_while_an_engine_loads_does_not_wait_for_it(tmp_path: Path) -> None:
    with declared(tmp_path, "test-loading") as project:
        process = project.start("up")
        wait_for(lambda: "chat" in project.containers(), 300, "a started engine")
        for row in project.containers()["chat"].top()["Processes"]:
            os.kill(int(row[1]), signal.SIGSTOP)
        os.killpg(process.pid, signal.SIGINT)
        begin = time.monotonic()
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 130, output
        assert time.monotonic() - begin < 30, "an engine may take minutes to load"
        project.ops("up").must_succeed()
        whole(project)


def test_up_is_killed_in_the_middle_and_then_up_again(tmp_path: Path) -> None:
    with declared(tmp_path, "test-killed") as project, half_hub.serving(weights(tmp_path), silent=True) as hub:
        serve_from(project, hub, tmp_path)
        process = project.start("up", environment=NO_PROXY)
        assert hub.stopped.wait(300)
        wait_for(lambda: "gateway" in project.containers(), 180, "a container Pulumi has not noted down yet")
        kill_everything(process)
        assert locks(project), "a killed Pulumi leaves its lock, or this test is about nothing"
        hub.mended.set()
        again = project.ops("up", environment=NO_PROXY).must_succeed()
        assert "was killed: taking its lock away" in again.output
        assert "cleaning up after it" in again.output
        whole(project)


def test_only_the_command_is_killed_and_pulumi_is_not(tmp_path: Path) -> None:
    with declared(tmp_path, "test-orphan") as project, half_hub.serving(weights(tmp_path), silent=True) as hub:
        serve_from(project, hub, tmp_path)
        process = project.start("up", environment=NO_PROXY)
        assert hub.stopped.wait(300)
        family = psutil.Process(process.pid).children(recursive=True)
        (pulumi,) = [p for p in family if named(p) == "pulumi"]
        process.kill()
        process.communicate()
        wait_for(lambda: not pulumi_runs(pulumi.pid), 120, "Pulumi ends when nobody reads what it says")
        hub.mended.set()
        project.ops("up", environment=NO_PROXY).must_succeed()
        whole(project)


def named(process: psutil.Process) -> str:
    """The name of a process, none of one that has just ended."""
    with suppress(psutil.NoSuchProcess):
        return str(process.name())
    return ""


def weights(folder: Path) -> bytes:
    return tiny_model.write(folder).read_bytes()


def serve_from(project: Project, hub: half_hub.Hub, folder: Path) -> None:
    file = folder / f"{tiny_model.NAME}.gguf"
    project.change({"slm:models": {tiny_model.NAME: tiny_model.described(file, hub.source(file))}})


# ---- a stack that is up ----


def test_two_ups_at_once(running: Project) -> None:
    running.change({"slm:gateway": {"limits": {"requests_per_minute": 501}}})
    first = running.start("up")
    assert first.stdout is not None
    said = iter(first.stdout.readline, "")
    assert any("deploying" in line for line in said)
    # However long the second takes to begin, the first is still at it.
    first.send_signal(signal.SIGSTOP)
    try:
        running.ops("up").must_fail("is being changed by", f"make up STACK={running.stack}", f"process {first.pid}")
    finally:
        first.send_signal(signal.SIGCONT)
    rest, _ = first.communicate(timeout=300)
    Finished(first.returncode, rest).must_succeed()
    whole(running)


def test_the_passphrase_is_wrong(running: Project) -> None:
    wrong = {"PULUMI_CONFIG_PASSPHRASE": "not the passphrase"}
    running.ops("up", environment=wrong).must_fail("passphrase does not open", "nothing was changed", "unset it")
    running.ops("down", environment=wrong).must_fail("passphrase does not open")
    whole(running)


def test_an_engine_that_is_killed_comes_back_by_itself(running: Project) -> None:
    chat = running.containers()["chat"]
    restarts = chat.attrs["RestartCount"]
    os.kill(chat.attrs["State"]["Pid"], signal.SIGKILL)
    seconds = wait_for(lambda: fresh_attributes(chat)["RestartCount"] > restarts, 60, "a restart")
    healthy = wait_for(lambda: fresh_attributes(chat)["State"]["Health"]["Status"] == "healthy", 180, "health")
    print(f"restarted after {seconds:.1f} s, healthy {healthy:.1f} s later")
    wait_for(lambda: answers(running), 120, "an answer")
    assert fresh_attributes(chat)["HostConfig"]["PidsLimit"] == 512


def test_a_frozen_engine_is_noticed_and_comes_back(running: Project) -> None:
    chat = running.containers()["chat"]
    key = list(running.keys().values())[-1]
    processes = [int(row[1]) for row in chat.top()["Processes"]]
    try:
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        noticed = wait_for(lambda: refusal(running, key) is not None, 180, "a 503")
        refused = refusal(running, key)
        assert refused is not None, "once it is noticed, clients are refused at once"
        assert refused.json()["error"]["code"] == "engine_down", "and nothing is tried or waited for"
        assert int(refused.headers["Retry-After"]) > 0
        assert refused.json()["error"]["message"]
        flipped = wait_for(lambda: fresh_attributes(chat)["State"]["Health"]["Status"] == "unhealthy", 240, "unhealthy")
        print(f"503 after {noticed:.1f} s, unhealthy {flipped:.1f} s later")
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)
    wait_for(lambda: fresh_attributes(chat)["State"]["Health"]["Status"] == "healthy", 180, "health")
    wait_for(lambda: answers(running), 120, "an answer")


def refusal(project: Project, key: str) -> httpx.Response | None:
    """The gateway's 503, or None while it still waits for the engine."""
    body = {"model": tiny_model.NAME, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 8}
    headers = {"Authorization": f"Bearer {key}"}
    try:
        # A refusal comes at once, however busy this machine is; of a frozen engine nothing comes for minutes.
        with httpx.Client(trust_env=False, timeout=httpx.Timeout(30, read=5)) as client:
            answer = client.post(f"{project.endpoint}/chat/completions", headers=headers, json=body)
    except httpx.ReadTimeout:
        return None
    return answer if answer.status_code == 503 else None


def fresh_attributes(container: Container) -> dict[str, Any]:
    container.reload()
    return dict(container.attrs)


def test_containers_stopped_by_hand_are_started_again(running: Project) -> None:
    before = {name: c.id for name, c in running.containers().items()}
    for container in running.containers().values():
        container.stop(timeout=1)
    assert "starting it again" in running.ops("up").must_succeed().output
    assert {name: c.id for name, c in running.containers().items()} == before
    whole(running)


def test_docker_kill_is_a_stop_by_hand(running: Project) -> None:
    chat = running.containers()["chat"]
    chat.kill()
    time.sleep(2)
    assert fresh_attributes(chat)["State"]["Status"] == "exited", "Docker has learnt to restart it: say so in the docs"
    running.ops("up").must_succeed()
    whole(running)


@pytest.mark.parametrize("victim", ["gateway", "chat", "gateway-files"])
def test_a_container_removed_by_hand_is_made_again(running: Project, victim: str) -> None:
    running.containers(everything=True)[victim].remove(force=True)
    assert f"removed by hand: slm-{running.stack}-{victim}" in running.ops("up").must_succeed().output
    whole(running)


def test_a_container_of_the_same_name_from_elsewhere_is_left_alone(
    running: Project, tmp_path: Path, client: docker.DockerClient
) -> None:
    other = declare(tmp_path, running.stack)
    before = {name: c.id for name, c in running.containers(everything=True).items()}
    other.ops("up").must_fail("this checkout did not make", f"make down STACK={running.stack}")
    other.ops("down").must_fail("this checkout did not make")
    assert {name: c.id for name, c in running.containers(everything=True).items()} == before


# ---- down ----


def test_down_leaves_only_the_weights_and_the_next_up_takes_them(running: Project, client: docker.DockerClient) -> None:
    running.ops("down").must_succeed()
    assert running.leftovers() == []
    (volume,) = client.volumes.list(filters={"label": f"slm.stack={running.stack}"})
    assert "ollama-" in volume.name
    running.ops("down").must_succeed()
    for file in running.folder.parent.glob("*.gguf"):
        file.unlink()
    assert "weights are in the volume already" in running.ops("up").must_succeed().output
    whole(running)


def test_purge_leaves_nothing(running: Project, client: docker.DockerClient) -> None:
    running.ops("down", "--purge").must_succeed()
    assert running.leftovers() == []
    assert client.volumes.list(filters={"label": f"slm.stack={running.stack}"}) == []
    rest = [p for p in (running.folder / ".slm").rglob("*") if running.stack in p.name]
    assert rest == []
    assert "never deployed from here" in running.ops("down", "--purge").must_succeed().output
