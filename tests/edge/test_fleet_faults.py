"""Deployments to a host whose link or power fails in the middle, and a gateway that only its own host can call."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import httpx
import pytest

from rehearsal.hosts import Fleet, Host, faults
from tests.docker.project import Project
from tests.edge.fleet_stack import PORT, clear, declare, of_host, serves
from tests.edge.running import Running

pytestmark = [pytest.mark.edge, pytest.mark.timeout(1800)]

NAME = "berlin-1"
WAITS = "chat-container: waiting until it is healthy"


@pytest.fixture(scope="module")
def site(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project whose fleet is the test hosts; only one of them is deployed to."""
    yield declare(tmp_path_factory.mktemp("faults"), fleet, "test-faults")
    for host in fleet:
        clear(host)


@pytest.fixture
def one(site: Project, fleet: Fleet) -> Project:
    return of_host(site, fleet[NAME])


def change(site: Project, parallel: int) -> None:
    site.change({"slm:engines": {"chat": {"parallel": parallel}}})


def test_a_host_whose_clock_is_wrong_gets_nothing(one: Project, fleet: Fleet) -> None:
    with faults.wrong_clock(fleet[NAME], -7200):
        said = one.ops("up").must_fail(
            "s behind", "certificates would count as not yet valid", "timedatectl set-ntp true"
        )
    behind = re.search(r"its clock is (\d+) s behind", said.output)
    assert behind, said.output
    assert abs(int(behind[1]) - 7200) < 30
    client = fleet[NAME].docker()
    assert client.containers.list(all=True) == []
    assert client.volumes.list() == []
    client.close()


def test_a_gateway_on_its_hosts_own_loopback_is_asked_through_the_connection(
    site: Project, one: Project, fleet: Fleet
) -> None:
    site.change({"slm:fleet": {"hosts": {NAME: {"bind": "127.0.0.1"}}}})
    said = one.ops("up").must_succeed().output
    assert f"endpoint  https://127.0.0.1:{PORT}/v1" in said
    assert "answer    80" in said
    with pytest.raises((httpx.ConnectError, httpx.ConnectTimeout)):
        httpx.get(f"https://{fleet[NAME].address}:{PORT}/v1/models", trust_env=False, timeout=5)
    one.ops("smoke").must_succeed()
    site.change({"slm:fleet": {"hosts": {NAME: {"bind": fleet[NAME].address}}}})
    one.ops("up").must_succeed()
    assert serves(one, fleet[NAME])


def test_a_link_that_is_cut_for_a_minute_in_the_middle_does_not_end_a_deployment(
    site: Project, one: Project, fleet: Fleet
) -> None:
    change(site, 3)
    running = Running(one.start("up"))
    running.wait_for(WAITS)
    with faults.cut(fleet[NAME]):
        time.sleep(60)
    running.end().must_succeed()
    assert serves(one, fleet[NAME])


def test_a_host_that_loses_its_power_in_the_middle_is_deployed_to_by_the_next_command(
    site: Project, one: Project, fleet: Fleet
) -> None:
    change(site, 4)
    running, host = Running(one.start("up")), fleet[NAME]
    running.wait_for(WAITS)
    host.power_cut()
    running.end().must_fail(f"make up STACK={one.stack}")
    host.power_on()
    host.wait_until_up()
    one.ops("up").must_succeed()
    assert serves(one, host)


def test_services_are_back_after_a_power_cut_without_this_machine(site: Project, one: Project, fleet: Fleet) -> None:
    host = fleet[NAME]
    change(site, 2)
    one.ops("up").must_succeed()
    host.power_cut()
    host.power_on()
    host.wait_until_up()
    end = time.monotonic() + 240
    while not _answers(one, host):
        assert time.monotonic() < end, host.run("docker", "ps", "-a") + _told(host)
        time.sleep(0.5)


def _told(host: Host) -> str:
    """What its engine said that was no mere information."""
    lines = (host.folder / "dockerd.log").read_text().splitlines()
    return "\n".join(line for line in lines if "level=info" not in line)[-6000:]


def _answers(project: Project, host: Host) -> bool:
    try:
        return serves(project, host)
    except httpx.HTTPError:
        return False
