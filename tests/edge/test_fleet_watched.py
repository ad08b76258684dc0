"""A site is watched and saved over SSH: status, a test alert, a backup and a restore, and a way that is lost meanwhile.

The tests are steps of one story, in order.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops import docker_exec
from rehearsal.hosts import Fleet, Host
from tests.docker.project import Finished, Project
from tests.edge.fleet_stack import clear, declare, of_host, serves
from tests.webhook import Hook, listening

pytestmark = [pytest.mark.edge, pytest.mark.timeout(1800)]

NAME = "oslo-1"
SILENCES = "http://alertmanager:9093/api/v2/silences"


@pytest.fixture(scope="module")
def hook(fleet: Fleet) -> Iterator[Hook]:
    """A receiver of alerts elsewhere on the site's network."""
    with listening(fleet.control) as hook:
        yield hook


@pytest.fixture(scope="module")
def site(fleet: Fleet, hook: Hook, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A fleet with monitoring, of which one host is deployed."""
    project = declare(tmp_path_factory.mktemp("watched"), fleet, "test-watched")
    receivers = {"oncall": {"kind": "webhook", "url": hook.url}}
    project.change({"slm:monitoring": {"target": "site", "scrape_seconds": 5, "receivers": receivers}})
    begun = time.monotonic()
    said = of_host(project, fleet[NAME]).ops("up", timeout=1200).must_succeed()
    print(f"up in {time.monotonic() - begun:.0f} s\n{said.output}")
    yield project
    clear(fleet[NAME])


@pytest.fixture
def one(site: Project, fleet: Fleet) -> Project:
    return of_host(site, fleet[NAME])


def eventually_well(one: Project, seconds: float = 300) -> Finished:
    """The status, once nothing is broken: just after a start there are no figures yet."""
    end = time.monotonic() + seconds
    while (done := one.ops("status")).code:
        assert "Traceback" not in done.output
        assert time.monotonic() < end, f"not well within {seconds} s:\n{done.output}"
        time.sleep(2)
    return done


def asked(one: Project, host: Host, *words: str) -> Any:
    """What a part of monitoring answers, asked on the host itself."""
    client = host.docker()
    try:
        prometheus = client.containers.get(f"slm-{one.stack}-prometheus")
        done = docker_exec.run(prometheus, ["wget", "-q", "-O", "-", *words])
    finally:
        client.close()
    assert done.exit_code == 0, done.errors
    return json.loads(done.output)


def silence(one: Project, host: Host, ends: datetime, **more: str) -> str:
    """A silence of an alert that never was, or another end of one that is there; its id."""
    body = {
        "matchers": [{"name": "alertname", "value": "Nothing", "isRegex": False}],
        "startsAt": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(),
        "endsAt": ends.isoformat(),
        "createdBy": "test",
        "comment": "to be found again",
        **more,
    }
    header = ("--header", "Content-Type: application/json")
    return str(asked(one, host, *header, "--post-data", json.dumps(body), SILENCES)["silenceID"])


def active(one: Project, host: Host) -> set[str]:
    return {s["id"] for s in asked(one, host, SILENCES) if s["status"]["state"] == "active"}


def not_running(one: Project, host: Host) -> list[str]:
    """The services that stand still. What holds files only never runs."""
    client = host.docker()
    try:
        found = client.containers.list(all=True, filters={"label": f"slm.stack={one.stack}"})
        services = [container for container in found if container.attrs["Config"].get("Healthcheck")]
        return [str(service.name) for service in services if service.status != "running"]
    finally:
        client.close()


def test_how_a_host_is_is_shown_by_its_own_monitoring_through_the_connection(site: Project, one: Project) -> None:
    shown = eventually_well(one).output
    assert "nothing is broken" in shown
    assert "chat (ollama)" in shown
    fleet_wide = site.ops("status", environment={"HOSTS": NAME}).must_succeed().output
    assert "good" in fleet_wide


def test_a_test_alert_leaves_the_host_for_its_receiver(one: Project, hook: Hook) -> None:
    done = one.ops("alert-test").must_succeed()
    assert "taken     by oncall (webhook)" in done.output
    [alert] = [alert for alert in hook.alerts if alert["labels"]["alertname"] == "AlertTest"]
    assert alert["labels"]["stack"] == one.stack


def test_what_a_host_keeps_is_saved_here_and_put_back_there(one: Project, fleet: Fleet) -> None:
    host, later = fleet[NAME], datetime.now(UTC) + timedelta(hours=2)
    kept = silence(one, host, later)
    done = one.ops("backup").must_succeed()
    [file] = (one.folder / ".slm/backups" / one.stack).glob("backup-*.zip")
    assert str(file) in done.output.replace("\n", "")
    assert (file.stat().st_mode & 0o777) == 0o600
    # Alertmanager refuses an end that is over when it reads of it.
    silence(one, host, datetime.now(UTC) + timedelta(seconds=15), id=kept)
    end = time.monotonic() + 60
    while kept in active(one, host):
        assert time.monotonic() < end, "the silence did not end"
        time.sleep(0.5)
    one.ops("restore", timeout=900).must_succeed()
    assert kept in active(one, host)
    assert not_running(one, host) == []
    assert serves(one, host)


def test_a_way_that_is_lost_in_the_middle_leaves_nothing_standing_still(one: Project, fleet: Fleet) -> None:
    host = fleet[NAME]
    with one.start("backup") as process:
        try:
            lose_the_way(one, host, process)
            output, _ = process.communicate(timeout=300)
        finally:
            process.kill()  # Of no effect on one that has ended.
    assert "Traceback" not in output
    # The copy may have been over at that moment: then the backup goes on by another connection.
    assert process.returncode == 0 or "the connection to the Docker engine was lost" in output, output
    assert not_running(one, host) == []
    eventually_well(one)


def lose_the_way(one: Project, host: Host, process: subprocess.Popen[str]) -> None:
    """End the host's SSH server and every connection as soon as a part stands still for its copy."""
    end = time.monotonic() + 180
    while not not_running(one, host):
        assert process.poll() is None
        assert time.monotonic() < end, "nothing was stopped for a copy"
        time.sleep(0.05)
    host.kill("sshd")
    host.start("sshd")
    host.wait_until_up()
