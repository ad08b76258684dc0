"""A fleet's life through the commands a person types: three hosts, one down at first, faults, an upgrade, the end.

The tests are steps of one story, in order; each leaves the fleet as its name says.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from rehearsal.hosts import Fleet, Host
from tests.docker import half_hub, tiny_model
from tests.docker.half_hub import Hub
from tests.docker.project import Project
from tests.edge.fleet_stack import PORT, clear, declare, of_host, serves
from tests.edge.neighbours import up_with_its_neighbour_killed
from tests.edge.probes import reaches

pytestmark = [pytest.mark.edge, pytest.mark.timeout(1800)]

HOSTS = ("berlin-1", "berlin-2", "oslo-1")
DOWN = "oslo-1"
CLOSED = 3.0
"""Seconds after which a port of another host is taken for closed."""


@pytest.fixture(scope="module")
def hub(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """Where the weights come from, and what crosses the link to there is counted."""
    data = tiny_model.write(tmp_path_factory.mktemp("weights")).read_bytes()
    with half_hub.serving(data, at=fleet.control) as running:
        running.mended.set()
        yield running


@pytest.fixture(scope="module")
def project(fleet: Fleet, hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project whose fleet is the test hosts. At the end nothing of it is on them."""
    declared = declare(tmp_path_factory.mktemp("fleet"), fleet, hub=hub)
    yield declared
    for host in fleet:
        clear(host)


def running(host: Host) -> dict[str, str]:
    """The services that run on a host past SSH and Pulumi: name to id."""
    client = host.docker()
    try:
        return {str(c.name).rpartition("-")[2]: str(c.id) for c in client.containers.list()}
    finally:
        client.close()


def test_the_first_deployment_reaches_two_hosts_and_names_the_one_that_is_down(
    project: Project, fleet: Fleet, hub: Hub
) -> None:
    fleet[DOWN].power_off()
    said, had = up_with_its_neighbour_killed(project, fleet["berlin-1"], fleet["berlin-2"], len(hub.data))
    assert said.code == 1, said.output
    assert "Traceback" not in said.output
    assert f"{DOWN} is left out: ssh://slm@{fleet[DOWN].address}:22 does not answer" in said.output
    assert "left out: oslo-1" in said.output
    assert "wave 1 of 2: berlin-1" in said.output
    for name in ("berlin-1", "berlin-2"):
        assert set(running(fleet[name])) == {"chat", "gateway", "watchdog"}, said.output
        assert serves(of_host(project, fleet[name]), fleet[name])
    # The second host of the site began with what its neighbour gave, and went on from there when that one was killed.
    assert "berlin-2: gets its weights from berlin-1" in said.output
    first, then = hub.starts
    assert (first, hub.sent) == (0, 2 * len(hub.data) - then)
    assert had <= then < len(hub.data)
    assert "share" not in fleet["berlin-1"].run("docker", "network", "ls")


def test_control_20_a_client_that_does_not_trust_the_fleets_authority_is_not_served(
    project: Project, fleet: Fleet
) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"https://{fleet['berlin-1'].address}:{PORT}/v1/models", trust_env=False, timeout=60)


def test_the_same_command_goes_on_with_the_host_that_is_back_and_leaves_the_others_alone(
    project: Project, fleet: Fleet
) -> None:
    before = {name: running(fleet[name]) for name in ("berlin-1", "berlin-2")}
    fleet[DOWN].power_on()
    fleet[DOWN].wait_until_up()
    project.ops("up", timeout=1200).must_succeed()
    assert serves(of_host(project, fleet[DOWN]), fleet[DOWN])
    assert {name: running(fleet[name]) for name in before} == before
    # Nobody but the gateway can be reached from another host of the site.
    assert reaches(fleet[DOWN], fleet["berlin-1"], PORT, 30)
    assert not reaches(fleet[DOWN], fleet["berlin-1"], 11434, CLOSED)
    shown = project.ops("status").must_succeed().output
    assert shown.count("3 of 3 healthy") == 3
    assert shown.count("as described") == 3
    assert project.ops("drift", timeout=300).must_succeed().output.count("as described") == 3


def test_hosts_are_chosen_by_label_and_a_change_by_hand_is_seen(project: Project, fleet: Fleet) -> None:
    fleet[DOWN].run("docker", "rm", "-f", f"slm-{project.stack}.{DOWN}-gateway")
    said = project.ops("drift", environment={"HOSTS": "site=oslo"}).must_succeed().output
    assert "create" in said
    assert "berlin" not in said
    project.ops("status").must_fail()
    project.ops("up", environment={"HOSTS": "site=oslo"}, timeout=600).must_succeed()
    assert serves(of_host(project, fleet[DOWN]), fleet[DOWN])
    project.ops("status", environment={"HOSTS": "site=paris"}).must_fail("use one of: berlin, oslo")


def test_control_20_a_host_with_another_key_is_refused_until_the_new_key_is_pinned(
    project: Project, fleet: Fleet
) -> None:
    before, host = running(fleet[DOWN]), fleet[DOWN]
    host.new_host_key()
    said = project.ops("up", environment={"HOSTS": DOWN})
    assert said.code == 1, said.output
    assert "shows another host key than the one that is pinned" in said.output
    assert "nothing was changed on any host" in said.output
    project.ops("drift", environment={"HOSTS": DOWN}).must_fail("shows another host key")
    # Plain Pulumi as well: what its provider starts is told the same.
    plain = of_host(project, host).pulumi("refresh", "--yes", "--skip-preview")
    assert plain.code != 0, plain.output
    assert "Host key verification failed" in plain.output
    assert running(host) == before
    project.change({"slm:fleet": {"hosts": {DOWN: {"host_key": host.host_key}}}})
    project.ops("up", environment={"HOSTS": DOWN}, timeout=600).must_succeed()
    assert running(host) == before


def test_an_upgrade_whose_canary_fails_is_rolled_back_and_reaches_nobody_else(project: Project, fleet: Fleet) -> None:
    before = {host.name: running(host) for host in fleet}
    described = project.file.read_text()
    # The weights that the new description wants exist nowhere: the fetch job refuses what it finds.
    project.change({"slm:models": {tiny_model.NAME: {"weights": {tiny_model.WEIGHTS: _other_weights(project)}}}})
    said = project.ops("up", timeout=1200)
    assert said.code == 1, said.output
    assert "failed: berlin-1; rolled back: berlin-1; not reached by the rollout: berlin-2, oslo-1" in said.output
    assert {name: running(fleet[name]) for name in ("berlin-2", "oslo-1")} == {
        name: before[name] for name in ("berlin-2", "oslo-1")
    }
    assert all(serves(of_host(project, host), host) for host in fleet)
    shown = project.ops("status").output
    assert shown.count("3 of 3 healthy") == 3, shown
    assert shown.count("behind") == 3, shown
    project.file.write_text(described)


def test_an_upgrade_goes_over_the_fleet_in_waves_and_its_weights_once_to_each_site(
    project: Project, fleet: Fleet, hub: Hub, tmp_path: Path
) -> None:
    before, sent = {host.name: running(host) for host in fleet}, hub.sent
    hub.data = tiny_model.write(tmp_path, "another edition").read_bytes()
    upgraded = tiny_model.weights(
        tmp_path / f"{tiny_model.NAME}.gguf", hub.source(tmp_path / f"{tiny_model.NAME}.gguf")
    )
    project.change(
        {
            "slm:engines": {"chat": {"parallel": 3}},
            "slm:models": {tiny_model.NAME: {"weights": {tiny_model.WEIGHTS: upgraded}}},
        }
    )
    said = project.ops("up", timeout=1200).must_succeed().output
    assert said.index("wave 1 of 2: berlin-1") < said.index("wave 2 of 2: berlin-2, oslo-1")
    assert hub.sent - sent == 2 * len(hub.data), "for two sites with three hosts"
    assert f"berlin-1: gave its neighbours {len(hub.data) / 1e6:.1f} MB of weights" in said
    assert "inside the sites, from neighbours" in said
    assert not reaches(fleet[DOWN], fleet["berlin-1"], 8444, CLOSED), "nobody serves any more"
    for host in fleet:
        assert running(host)["chat"] != before[host.name]["chat"]
        assert serves(of_host(project, host), host)


def test_a_host_that_is_no_longer_listed_is_told_and_can_be_taken_down(project: Project, fleet: Fleet) -> None:
    document = yaml.safe_load(project.file.read_text())
    listed = document["config"]["slm:fleet"]["hosts"].pop("berlin-2")
    project.file.write_text(yaml.safe_dump(document, sort_keys=False))
    assert "'berlin-2' was deployed from here and is not listed any more" in project.ops("status").must_succeed().output
    of_host(project, fleet["berlin-2"]).ops("down", "--purge").must_succeed()
    assert running(fleet["berlin-2"]) == {}
    assert "berlin-2" not in project.ops("status").must_succeed().output
    assert listed["address"] == fleet["berlin-2"].address


def test_the_end_with_one_host_gone_its_state_is_cleaned_and_what_it_keeps_is_listed(
    project: Project, fleet: Fleet
) -> None:
    fleet[DOWN].power_cut()
    said = project.ops("down", "--purge", timeout=600)
    assert said.code == 1, said.output
    assert "1 of 2 hosts were not taken down: oslo-1" in said.output
    assert running(fleet["berlin-1"]) == {}
    said = of_host(project, fleet[DOWN]).ops("down", "--purge", "--force", timeout=600).must_succeed()
    for left in (f"container slm-{project.stack}.{DOWN}-gateway", f"container slm-{project.stack}.{DOWN}-chat"):
        assert left in said.output
    state: Path = project.folder / ".slm"
    assert not list(state.glob(f"{project.stack}.*"))
    assert not [path for path in (state / "state").rglob(f"{project.stack}.*") if path.is_file()]


def _other_weights(project: Project) -> dict[str, object]:
    config = yaml.safe_load(project.file.read_text())["config"]
    files = config["slm:models"][tiny_model.NAME]["weights"][tiny_model.WEIGHTS]["files"]
    return {"files": [{**files[0], "sha256": "0" * 64}]}
