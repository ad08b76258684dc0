"""The machine restarts (control 13, fault 19): a Docker engine of the test's own is stopped and started again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import docker
import psutil
import pytest
from docker.models.containers import Container
from rich.console import Console

from components.catalog import catalog
from components.targets.docker.container import Names, service_arguments
from components.targets.docker.daemon import Daemon
from components.targets.spec import Docker
from components.workload import Probe, Resources, Workload
from ops.images.build import Builder
from tests.docker.container_harness import container
from tools.docker_engine import ask_socket

pytestmark = pytest.mark.docker

ON_FAILURE = {"Name": "on-failure", "MaximumRetryCount": 5}


@dataclass
class Engine:
    """A Docker engine with folders, socket and container runtime of its own, which shares nothing with the others."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"unix://{self.folder}/docker.sock"

    def start(self) -> None:
        """Start it, or start it again on what it left, and wait until it answers."""
        with (self.folder / "dockerd.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    # Without a network of its own, an engine without a bridge removes the other engine's.
                    *("unshare", "--net", "--mount"),
                    "dockerd",
                    f"--host={self.host}",
                    f"--data-root={self.folder}/data",
                    f"--exec-root={self.folder}/exec",
                    f"--pidfile={self.folder}/docker.pid",
                    "--bridge=none",
                    "--iptables=false",
                    "--ip6tables=false",
                    "--cgroup-parent=/slm-test-engine",
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for(self._answers, 180, "the engine's answer")

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "dockerd.log").read_text()[-2000:]
        return ask_socket(self.folder / "docker.sock").state == "ready"

    @contextmanager
    def client(self) -> Iterator[docker.DockerClient]:
        """A client of this engine; it goes on working when the engine is started again."""
        client = docker.DockerClient(base_url=self.host, timeout=60)
        try:
            yield client
        finally:
            client.close()

    def stop(self) -> None:
        """Stop it as an init does at shutdown."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(180)

    def lose_power(self) -> None:
        """Kill the engine, its container runtime and every process in its containers at once."""
        assert self.process is not None
        mine = str(self.folder)
        family = {p.pid: p for p in psutil.Process(self.process.pid).children(recursive=True)}
        for process in psutil.process_iter():
            try:
                if any(mine in word for word in process.cmdline()) and process.pid != os.getpid():
                    family |= {p.pid: p for p in [process, *process.children(recursive=True)]}
            except psutil.Error:
                continue
        for act in (psutil.Process.suspend, psutil.Process.kill):
            for process in family.values():
                # A health check that was just ending has ended.
                with suppress(psutil.NoSuchProcess):
                    act(process)
        self.process.wait(60)
        # What a machine keeps in memory is gone after it, as all below /run.
        shutil.rmtree(self.folder / "exec")
        for name in ("docker.pid", "docker.sock"):
            (self.folder / name).unlink()


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> float:
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < seconds, f"{what} did not come in {seconds} s"
        time.sleep(0.1)
    return time.monotonic() - begin


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    # A socket's path may have about a hundred characters, which pytest's own folders can exceed.
    folder = Path(tmp_path_factory.mktemp("e")).resolve()
    made = Engine(folder)
    main = docker.from_env()
    try:
        made.start()
        builder, row = Builder(main, Console(quiet=True)), catalog().images["haproxy"]
        image = builder.present("haproxy", row) or builder.build("haproxy", row)
        with made.client() as client:
            client.images.load(main.images.get(image).save())
        yield made
    finally:
        main.close()
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


def service(client: docker.DockerClient) -> Workload:
    """A service that does nothing and ends without an error when it is asked to, of the engine's only image."""
    (image,) = client.images.list()
    return sleeper(str(image.id))


def sleeper(image: str) -> Workload:
    return Workload(
        name="sleeper",
        image=image,
        command=("bash", "-c", "trap 'exit 0' TERM USR1; sleep infinity & wait"),
        port=8080,
        probe=Probe(command=("true",), interval=1, startup=5),
        resources=Resources(memory_mib=64, cpus=0.5, pids=32),
    )


def restart_policy() -> dict[str, str]:
    """What every service of a stack gets."""
    policy = str(service_arguments(sleeper(f"sha256:{'0' * 64}"), Names("test"))["restart"])
    return {"Name": policy}


@pytest.mark.parametrize("way", ["stop", "lose_power"])
def test_services_return_after_a_restart_of_the_machine_with_their_limits(engine: Engine, way: str) -> None:
    with (
        engine.client() as client,
        container(client, service(client), "ours", {}, "none", restart_policy=restart_policy()) as ours,
        container(client, service(client), "theirs", {}, "none", restart_policy=ON_FAILURE) as theirs,
    ):
        for one in (ours, theirs):
            one.start()
        daemon = Daemon(Docker(host=engine.host))
        daemon.limit_pids(str(ours.id), 77)
        # As a changed key does; after a signal by its own API Docker takes a container for stopped by hand.
        assert daemon.signal(str(ours.name), "SIGWINCH")
        daemon.client.close()
        before = started(ours)
        getattr(engine, way)()
        engine.start()
        seconds = wait_for(lambda: started(ours) != before and ours.status == "running", 120, "the service")
        print(f"{way}: back {seconds:.1f} s after the engine answered; on-failure:5 is {state(theirs)}")
        # Why control 13 has its exception: what has ended politely at a shutdown has not failed, and is not started.
        if way == "stop":
            assert state(theirs) == "exited"
        else:
            # The engine starts one after the other.
            wait_for(lambda: state(theirs) == "running", 60, "what was killed")
        assert ours.attrs["HostConfig"]["PidsLimit"] == 77, "control 8 holds after a restart"
        assert ours.attrs["HostConfig"]["ReadonlyRootfs"] is True
        wait_for(lambda: health(ours) == "healthy", 60, "health")


def test_what_a_person_stopped_stays_stopped_after_a_restart(engine: Engine) -> None:
    with (
        engine.client() as client,
        container(client, service(client), "stopped", {}, "none", restart_policy=restart_policy()) as stopped,
    ):
        stopped.start()
        stopped.stop(timeout=0)
        engine.stop()
        engine.start()
        time.sleep(1)
        assert state(stopped) == "exited"


def started(one: Container) -> str:
    one.reload()
    return str(one.attrs["State"]["StartedAt"])


def state(one: Container) -> str:
    one.reload()
    return str(one.status)


def health(one: Container) -> str:
    one.reload()
    return str(one.attrs["State"]["Health"]["Status"])
