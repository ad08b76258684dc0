"""What happens at the gateway when engines die, freeze, move or come late, and when keys change (faults 1, 11, 21)."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from docker.models.networks import Network

from components.gateway import Route
from tests.docker.gateway_harness import CHAT, KEYS, MODEL, QUICK, Running, body, bridge, gateway, image, start, until

pytestmark = pytest.mark.docker


@pytest.fixture(params=["bookworm", "trixie"], ids=["2.6", "3.0"])
def suite(request: pytest.FixtureRequest) -> str:
    """The Debian suite, and with it the version of HAProxy."""
    return str(request.param)


@pytest.fixture
def running(suite: str, tmp_path: Path) -> Iterator[Running]:
    """A gateway of its own for each test: these tests break it."""
    # None of these tests is about the queue, in which a request may stand for a second on a busy machine.
    with gateway(suite, tmp_path / "files", QUICK.model_copy(update={"queue_seconds": 10})) as made:
        yield made


def assert_unavailable(response: httpx.Response) -> None:
    """An answer that tells a client what is wrong and when to come back."""
    assert response.status_code == 503, response.text
    assert response.json()["error"]["type"] == "server_error"
    assert int(response.headers["retry-after"]) >= 1


def test_fault_1_a_killed_engine_is_503_at_once_and_serves_again_by_itself(running: Running) -> None:
    with running.client() as client:
        assert client.post(CHAT, json=body()).status_code == 200
        running.engine.stop()
        begin = time.monotonic()
        assert_unavailable(client.post(CHAT, json=body()))
        assert time.monotonic() - begin < 2, "one further attempt to connect, a second later"
        for _ in range(3):
            refused = client.post(CHAT, json=body())
            assert_unavailable(refused)
            # After an attempt to connect, or a wait in the queue, it would be engine_unavailable.
            assert refused.json()["error"]["code"] == "engine_down", "it is known, and nothing is tried"
        running.engine.start()
        until(lambda: client.post(CHAT, json=body()).status_code == 200, 30, "serves again")


def test_fault_1_a_request_that_dies_with_its_engine_is_502_and_is_not_run_twice(running: Running) -> None:
    with running.client() as client:
        assert client.post(CHAT, json=body()).status_code == 200
        running.engine.seen.clear()
        response = client.post(CHAT, json=body(user="break"))
    assert (response.status_code, response.json()["error"]["code"]) == (502, "engine_failed")
    assert response.headers["retry-after"]
    assert len(running.engine.seen) == 1, "a completion costs money; only the client may ask again"


def test_an_engine_that_does_not_answer_in_time_is_504(running: Running) -> None:
    with running.client() as client:
        begin = time.monotonic()
        response = client.post(CHAT, json=body(user="silent"))
    assert (response.status_code, response.json()["error"]["code"]) == (504, "engine_timeout")
    assert response.headers["retry-after"]
    assert 2.5 < time.monotonic() - begin < 5


def test_fault_21_a_frozen_engine_is_taken_out_and_comes_back(running: Running) -> None:
    with running.client() as client:
        running.engine.alive = False  # Its socket accepts connections, as a stopped process's does; nothing answers.
        until(lambda: client.post(CHAT, json=body()).status_code == 503, 30, "taken out")
        running.engine.seen.clear()
        assert_unavailable(client.post(CHAT, json=body()))
        assert running.engine.seen == []
        running.engine.alive = True
        until(lambda: client.post(CHAT, json=body()).status_code == 200, 30, "back")


def test_fault_11_a_reload_under_load_swaps_the_keys_and_drops_nothing(running: Running) -> None:
    old, new = KEYS["alice"], "carol-" + "c" * 40
    failures: list[object] = []
    done = threading.Event()
    count = before = 0

    def steady() -> None:
        nonlocal count
        with running.client(KEYS["bob"]) as client:
            while not done.is_set():
                try:
                    response = client.post(CHAT, json=body())
                    failures.extend([] if response.status_code == 200 else [response.text])
                except httpx.HTTPError as error:
                    failures.append(error)
                count += 1

    def asked_on() -> bool:
        return count > before + 40

    with ThreadPoolExecutor(2) as pool, running.client(old) as client:
        loops = [pool.submit(steady) for _ in range(2)]
        try:
            # The stream must outlast the swap for this test to mean something: its last pieces wait for the gate.
            with client.stream("POST", CHAT, json=body(stream=True, user="on", n=5, pause=0.15)) as answer:
                pieces = (line for line in answer.iter_lines() if line.startswith("data: "))
                next(pieces)
                running.write(keys={"bob": KEYS["bob"], "carol": new})
                running.reload()
                with running.client(new) as fresh, running.client(old) as stale:
                    until(lambda: fresh.get("/v1/models").status_code == 200, 30, "the new key works")
                    until(lambda: stale.get("/v1/models").status_code == 401, 30, "the old key does not")
                running.engine.gate.set()
                rest = [json.loads(line.removeprefix("data: "))["piece"] for line in pieces]
                assert len(rest) >= 5
                assert rest == list(range(1, len(rest) + 1)), "the stream that was running ends as if nothing happened"
            for _ in range(3):
                before = count
                running.reload()
                time.sleep(0.4)
                until(asked_on, 30, "further requests")
        finally:
            done.set()
        for loop in loops:
            loop.result()
    notices = [line for line in running.log().splitlines() if not line.startswith("{") or "503" in line]
    assert failures == [], notices
    assert count > 100


def test_a_reload_of_a_broken_configuration_changes_nothing_and_the_next_good_one_heals(running: Running) -> None:
    running.write(config="this is not a configuration")
    running.reload()
    time.sleep(1)
    with running.client() as client:
        assert client.post(CHAT, json=body()).status_code == 200
        running.write(keys={"carol": "carol-" + "c" * 40})
        running.reload()
        until(lambda: client.get("/v1/models").status_code == 401, 30, "the good configuration is in force")
    running.container.reload()
    assert running.container.status == "running"


def test_a_stopping_gateway_lets_a_running_answer_finish(running: Running) -> None:
    with running.client() as client, client.stream("POST", CHAT, json=body(stream=True, n=10, pause=0.2)) as answer:
        pieces = (line for line in answer.iter_lines() if line.startswith("data: "))
        next(pieces)
        with ThreadPoolExecutor(1) as pool:
            begin = time.monotonic()
            stopped = pool.submit(running.container.stop, timeout=60)
            assert len(list(pieces)) == 9
            stopped.result()
    assert time.monotonic() - begin < 15, "it ends with its last answer, and is not killed after a minute"
    running.container.reload()
    assert running.container.attrs["State"]["ExitCode"] in {0, 130}


FAKE = f"""
defaults
    mode http
    timeout client 5s
    timeout server 5s
    timeout connect 1s
frontend engine
    bind :9000
    http-request return status 200 content-type application/json string '{{"model":"{MODEL}"}}'
"""


@contextmanager
def named_engine(image_id: str, network: Network, files: Path) -> Iterator[str]:
    """A small engine in a container that is called `engine` in the network; its address there."""
    files.mkdir(exist_ok=True)
    files.chmod(0o755)
    (files / "haproxy.cfg").write_text(FAKE)
    (files / "haproxy.cfg").chmod(0o444)
    container = start(image_id, network, files, hostname="engine", name=f"{network.name}-engine")
    try:
        container.reload()
        yield container.attrs["NetworkSettings"]["Networks"][network.name]["IPAddress"]
    finally:
        container.remove(force=True, v=True)


def test_the_gateway_starts_before_its_engine_and_follows_it_to_a_new_address(suite: str, tmp_path: Path) -> None:
    image_id = image(suite)
    with bridge() as (network, _):
        route = Route(
            name="chat",
            model=MODEL,
            host=f"{network.name}-engine",
            port=9000,
            concurrency=2,
            paths=(("POST", CHAT),),
        )
        with (
            gateway(suite, tmp_path / "gateway", QUICK, (route,), network=network) as running,
            running.client() as client,
        ):
            assert_unavailable(client.post(CHAT, json=body()))
            with named_engine(image_id, network, tmp_path / "engine") as first:
                until(lambda: client.post(CHAT, json=body()).status_code == 200, 60, f"found by name: {running.log()}")
            assert_unavailable(client.post(CHAT, json=body()))
            # Another container takes the old address, so that the engine comes back under a new one.
            squatter = start(image_id, network, tmp_path / "engine")
            try:
                with named_engine(image_id, network, tmp_path / "engine") as second:
                    assert second != first, "the test needs the engine to move"
                    until(lambda: client.post(CHAT, json=body()).status_code == 200, 60, f"followed: {running.log()}")
            finally:
                squatter.remove(force=True, v=True)
