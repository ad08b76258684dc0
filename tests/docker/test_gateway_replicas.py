"""The real gateway in front of several copies of an engine, which one name stands for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from docker.models.networks import Network

from components.gateway import Gateway, Limits, Route, demand_path, render
from components.targets.kubernetes.probes import reload_script
from ops import docker_exec
from tests.docker.gateway_harness import (
    CHAT,
    KEYS,
    MODEL,
    QUICK,
    Engine,
    Running,
    body,
    bridge,
    gateway,
    image,
    start,
    until,
)

pytestmark = pytest.mark.docker

NAME, PORT = "copies", 11434
FORWARD = """
defaults
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen forward
    bind :{port}
    server engine {address}:{target}
"""
"""A container with an address of its own in front of an engine in this process, which has only one."""


@dataclass
class Copies:
    """A gateway, and the engines behind their one name."""

    running: Running
    engines: list[Engine]

    def ask(self, **more: Any) -> httpx.Response:
        with self.running.client() as client:
            return client.post(CHAT, json=body(**more))

    def asked_anew(self) -> bool:
        """Ask with another beginning than ever before."""
        return self.ask(messages=[{"role": "user", "content": str(time.monotonic_ns())}]).status_code == 200

    def served(self) -> list[int]:
        """How many requests each engine got since it was last looked at."""
        counts = [len(engine.seen) for engine in self.engines]
        for engine in self.engines:
            engine.seen.clear()
        return counts

    def demand(self) -> int:
        return int(self.running.internal(demand_path(NAME)).json()["demand"])


@contextmanager
def copies(folder: Path, suite: str, count: int, **settings: Any) -> Iterator[Copies]:
    """A gateway with `count` copies behind it, found by the name server of its own container."""
    route = Route(
        name=NAME, model=MODEL, host=NAME, port=PORT, concurrency=2, paths=(("POST", CHAT),), live="/live",
        addresses=4, demand=True,
    )  # fmt: skip
    limits = Limits(**{**QUICK.model_dump(), "queue_seconds": 60, "response_seconds": 60, "concurrent_requests": 64})
    with ExitStack() as stack:
        network, here = stack.enter_context(bridge())
        engines = [stack.enter_context(_copy(folder / str(n), suite, network, here)) for n in range(count)]
        config = render(Gateway(target="local", limits=limits, **settings), (route,), None)
        files = folder / "files"
        files.mkdir()
        running = stack.enter_context(
            gateway(suite, files, limits=limits, routes=(route,), network=network, extra_files={"haproxy.cfg": config})
        )
        found = Copies(running, engines)
        if count:
            until(lambda: found.ask().status_code == 200, 60, f"copies found: {running.log()}")
            until(lambda: found.asked_anew() and all(e.seen for e in engines), 60, "each copy is asked")
        found.served()
        yield found


@contextmanager
def _copy(folder: Path, suite: str, network: Network, here: str) -> Iterator[Engine]:
    engine = Engine(here)
    engine.start()
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "haproxy.cfg").write_text(FORWARD.format(port=PORT, address=here, target=engine.port))
    (folder / "haproxy.cfg").chmod(0o444)
    aliases = network.client.api.create_endpoint_config(aliases=[NAME])  # type: ignore[union-attr]
    container = start(image(suite), network, folder, networking_config={network.name: aliases})
    try:
        yield engine
    finally:
        engine.gate.set()
        container.remove(force=True, v=True)
        engine.stop()


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def two(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copies]:
    """Two copies, asked by least connections."""
    with copies(tmp_path_factory.mktemp("two"), request.param, 2) as found:
        yield found


def test_requests_go_where_the_fewest_run_and_wait_when_all_places_are_taken(two: Copies) -> None:
    two.served()
    threads = [threading.Thread(target=two.ask, kwargs={"user": "wait"}) for _ in range(6)]
    for thread in threads:
        thread.start()
    until(lambda: two.demand() == 6, 30, "six requests at the gateway")
    until(lambda: sum(len(engine.seen) for engine in two.engines) == 4, 30, "four requests at the copies")
    assert [len(engine.seen) for engine in two.engines] == [2, 2], "two each, as many as a copy works on"
    for engine in two.engines:
        engine.gate.set()
    for thread in threads:
        thread.join()
    assert sum(two.served()) == 6, "those that waited were answered"
    # A client has its answer a moment before the gateway has closed its books on it.
    until(lambda: two.demand() == 0, 30, "nobody is left at the gateway")
    for engine in two.engines:
        engine.gate.clear()


def test_a_copy_that_dies_is_asked_nothing_more_and_nobody_notices(two: Copies) -> None:
    two.served()
    two.engines[0].stop()
    until(lambda: all(two.ask().status_code == 200 for _ in range(4)), 60, "the other copy answers all")
    two.served()
    assert {two.ask().status_code for _ in range(8)} == {200}
    assert two.served() == [0, 8]
    two.engines[0].start()
    until(lambda: two.ask() and len(two.engines[0].seen) > 0, 60, "the copy is back")


def test_one_conversation_stays_with_the_copy_that_knows_its_beginning(tmp_path: Path) -> None:
    with copies(tmp_path, "bookworm", 2, balance="prefix") as found:
        system = {"role": "system", "content": "You are brief."}
        for turn in range(8):
            found.ask(messages=[system, {"role": "user", "content": "hi"}, *[{"role": "user", "content": "x"}] * turn])
        assert sorted(found.served()) == [0, 8]
        for number in range(40):
            found.ask(messages=[system, {"role": "user", "content": f"question {number}"}])
        assert min(found.served()) >= 8, "other conversations go to either"
        found.ask(messages=[{"role": "user", "content": [{"type": "text", "text": "a list"}]}])
        assert sum(found.served()) == 1, "without a text to go by, the copies take turns"


def test_an_engine_without_copies_is_refused_and_known_to_be_wanted(tmp_path: Path) -> None:
    with copies(tmp_path, "bookworm", 0) as found:
        assert found.demand() == 0
        answers = [found.ask() for _ in range(3)]
        assert {a.status_code for a in answers} == {503}
        assert {a.json()["error"]["code"] for a in answers} == {"engine_down"}
        assert all(int(a.headers["Retry-After"]) > 0 for a in answers)
        assert found.demand() == 1, "whoever tries again wants one copy, not three"


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_fault_11_a_clusters_probe_makes_it_read_changed_keys_and_breaks_no_stream(tmp_path: Path, suite: str) -> None:
    files = tmp_path / "files"
    with gateway(suite, files) as running:

        def probe(version: str) -> None:
            # What the kubelet does when a mounted Secret has changed: it turns one link.
            (files / "link").symlink_to(version)
            (files / "link").replace(files / "..data")
            script = reload_script("SIGUSR2")
            done = docker_exec.run(running.container, ["sh", "-c", script, "probe", "true"], user="10001:10001")
            assert done.exit_code == 0, done.errors

        probe("..1")
        with running.client() as old, old.stream("POST", CHAT, json=body(stream=True, n=20, pause=0.2)) as answer:
            pieces = answer.iter_lines()
            next(pieces)
            fresh = {**KEYS, "carol": "carol-" + "c" * 40}
            running.write(keys={k: v for k, v in fresh.items() if k != "alice"})
            probe("..2")
            with running.client(fresh["carol"]) as new:
                until(lambda: new.post(CHAT, json=body()).status_code == 200, 60, "the new key opens")
            until(lambda: running.client().post(CHAT, json=body()).status_code == 401, 60, "the old key does not")
            assert sum(line.startswith("data:") for line in pieces) == 19, "the stream of the old key goes on"
