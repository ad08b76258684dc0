"""What a site records while the link is cut is at the store afterwards, at its own times and once."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from ops import docker_exec
from tests.docker.centre import CLOCK, EVERY, Samples, Site, ask, samples, site
from tests.docker.monitored import eventually

# Where no image registry answers and nothing is cached, minutes go into compiling.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]

WHILE = 3 * EVERY
"""Seconds that each part of an outage lasts."""


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose figures arrive."""
    with site(tmp_path_factory.mktemp("forward")) as running:
        running.arrived(time.time() - EVERY)
        yield running


def between(found: Samples, begin: float, end: float) -> Samples:
    return {at: value for at, value in found.items() if begin <= at <= end}


def outage(edge: Site, new_start: str) -> tuple[Samples, Samples]:
    """What the site recorded during an outage with a new start in it, and what the store has of that in the end."""
    begin = time.time()
    edge.cut()
    time.sleep(WHILE)
    if new_start == "power cut":
        edge.forwarder.kill()
        edge.forwarder.start()
    else:
        edge.forwarder.restart(timeout=20)
    time.sleep(WHILE)
    end = time.time()
    edge.mend()
    edge.arrived(end)
    return between(samples(edge.near, CLOCK), begin, end), between(samples(edge.far, CLOCK), begin, end)


def test_recorded_series_arrive_with_the_names_of_stack_and_host_and_nothing_else_does(edge: Site) -> None:
    eventually(lambda: ask(edge.far, "ALERTS") and ask(edge.far, "up"), "alerts and targets at the store")
    names = edge.far.get("/api/v1/label/__name__/values").json()["data"]
    assert set(names) == {CLOCK, "ALERTS", "up"}
    [clock] = ask(edge.far, CLOCK)
    assert clock["metric"] == {"__name__": CLOCK, "stack": "edge.berlin-1", "host": "berlin-1"}
    assert edge.far.get("/api/v1/metadata").json()["data"] == {}, "help texts of all metrics went as well"


def test_after_an_orderly_new_start_during_an_outage_every_sample_arrives_once_at_its_own_time(edge: Site) -> None:
    recorded, stored = outage(edge, "orderly")
    assert len(recorded) >= 2 * WHILE / EVERY - 1
    assert stored == recorded
    assert all(abs(at - value) < 1 for at, value in stored.items())
    # Three seconds more, because both ends of a range count or do not.
    at, window = max(recorded), round(max(recorded) - min(recorded)) + 3
    for client in (edge.near, edge.far):
        [counted] = ask(client, f"count_over_time({CLOCK}[{window}s])", at)
        assert float(counted["value"][1]) == len(recorded)


def test_a_power_cut_during_an_outage_loses_no_more_than_what_was_on_its_way(edge: Site) -> None:
    recorded, stored = outage(edge, "power cut")
    assert stored.items() <= recorded.items()
    assert len(recorded) >= 2 * WHILE / EVERY - 1
    assert len(recorded) - len(stored) <= 2


def test_the_site_goes_on_alerting_while_nobody_beyond_it_answers(edge: Site) -> None:
    edge.cut()
    begin = time.time()
    time.sleep(WHILE)
    try:
        found = samples(edge.near, 'ALERTS{alertname="Always",alertstate="firing"}')
        assert len(between(found, begin, time.time())) >= WHILE / EVERY - 1
    finally:
        edge.mend()


def test_what_waited_for_hours_is_taken_at_its_own_time(edge: Site) -> None:
    """The store must take what is older than its newest sample: out_of_order_time_window, for a Prometheus."""
    edge.arrived(time.time() - EVERY)
    at = round(time.time()) - 5 * 3600
    url = "http://127.0.0.1:8429/api/v1/import/prometheus"
    text = f"slm:late_seconds {at} {at * 1000}"
    done = docker_exec.run(edge.forwarder, ["wget", "-q", "-O", "-", "--post-data", text, url])
    assert done.exit_code == 0, done.errors
    deadline = time.monotonic() + 120
    while not (found := ask(edge.far, "slm:late_seconds[1m]", at + 1)):
        assert time.monotonic() < deadline, edge.forwarder.logs(tail=5)
        time.sleep(1)
    assert [[float(a), float(b)] for a, b in found[0]["values"]] == [[at, at]]
