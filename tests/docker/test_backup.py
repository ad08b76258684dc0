"""A volume is lost and comes back as it was: figures, logs, silences; nothing runs differently afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import docker
import pytest
import yaml

from ops import docker_exec
from ops.backup import told
from ops.verify import broken_controls
from tests.docker import fast_stack, tiny_model
from tests.docker.monitored import eventually, get, lines, query
from tests.docker.project import Project

# Where no image registry answers and nothing is cached, a quarter of an hour goes into compiling.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(2400)]

VOLUMES = ("prometheus", "loki", "alertmanager")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A stack with monitoring that has answered one request."""
    project = fast_stack.declare(tmp_path_factory.mktemp("kept"), "test-kept")
    project.change({"slm:monitoring": {"target": "laptop", "scrape_seconds": 5}})
    try:
        project.ops("up", timeout=2300).must_succeed()
        ask(project)
        yield project
    finally:
        fast_stack.remove(project)


def ask(project: Project, key: str = "") -> str:
    """One request; its id. The key is looked up, which takes a second or more, unless it is given."""
    body = {"model": tiny_model.NAME, "prompt": "hello", "max_tokens": 4}
    answer = project.request("POST", "/v1/completions", key or next(iter(project.keys().values())), json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.headers["x-request-id"])


def at(project: Project, expression: str, moment: float) -> list[Any]:
    url = f"http://127.0.0.1:9090/api/v1/query?query={quote(expression)}&time={moment:.0f}"
    found: list[Any] = get(project, url)["data"]["result"]
    return found


def silence(project: Project) -> str:
    """A silence of an alert that never was; its id."""
    now = datetime.now(UTC)
    body = {
        "matchers": [{"name": "alertname", "value": "Nothing", "isRegex": False}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=2)).isoformat(),
        "createdBy": "test",
        "comment": "to be found again",
    }
    url = "http://alertmanager:9093/api/v2/silences"
    words = [
        "wget",
        "-q",
        "-O",
        "-",
        "--header",
        "Content-Type: application/json",
        "--post-data",
        json.dumps(body),
        url,
    ]
    done = docker_exec.run(project.containers()["prometheus"], words)
    assert done.exit_code == 0, done.errors
    return str(json.loads(done.output)["silenceID"])


def silences(project: Project) -> set[str]:
    return {s["id"] for s in get(project, "http://alertmanager:9093/api/v2/silences")}


def lose(project: Project, workload: str) -> None:
    """Container and volume are gone, as after a disk."""
    client = docker.from_env()
    try:
        client.containers.get(f"slm-{project.stack}-{workload}").remove(force=True)
        client.volumes.get(f"slm-{project.stack}-{workload}-data").remove(force=True)
    finally:
        client.close()


def test_what_was_lost_with_its_volumes_comes_back(kept: Project, tmp_path: Path) -> None:
    request, quiet = ask(kept), silence(kept)
    eventually(lambda: [line for line in lines(kept, '{workload="gateway"}') if request in line], "the line")
    eventually(lambda: query(kept, 'up{job="gateway"} == 1'), "a figure")
    moment = time.time()
    file = tmp_path / "saved.zip"
    assert "saved to" in kept.ops("backup", "--file", str(file)).must_succeed().output
    before = {name: container.id for name, container in kept.containers().items()}

    for workload in VOLUMES:
        lose(kept, workload)
    kept.ops("up").must_succeed()
    assert not at(kept, "up", moment)
    assert quiet not in silences(kept)
    assert not [line for line in lines(kept, '{workload="gateway"}') if request in line]

    kept.ops("restore", "--file", str(file), timeout=900).must_succeed()
    eventually(lambda: at(kept, 'up{job="gateway"} == 1', moment), "the figure of before")
    assert quiet in silences(kept)
    eventually(lambda: [line for line in lines(kept, '{workload="gateway"}') if request in line], "the line of before")
    after = {name: container.id for name, container in kept.containers().items()}
    assert {name for name in before if before[name] != after[name]} == set(VOLUMES), "only what was lost is another one"
    assert [f for c in kept.containers().values() for f in broken_controls(c.attrs)] == []
    kept.pulumi("preview", "--expect-no-changes").must_succeed()
    assert kept.leftovers(), "its containers"
    assert not [name for name in kept.leftovers() if "restore" in name]


def test_prometheus_hears_when_the_last_backup_was(kept: Project) -> None:
    begin = time.time()
    kept.ops("backup").must_succeed()
    eventually(lambda: query(kept, f"{told.LAST} >= {begin - 1:.0f}"), "the time of the backup")
    [file] = (kept.folder / ".slm/backups" / kept.stack).glob("backup-*.zip")
    assert (file.stat().st_mode & 0o777) == 0o600
    [size] = query(kept, told.SIZE)
    assert float(size["value"][1]) == file.stat().st_size


def test_no_line_is_lost_while_the_store_stands_still(kept: Project) -> None:
    """Requests go on during a backup; each has its line afterwards."""
    asked = []
    key = next(iter(kept.keys().values()))
    with kept.start("backup") as process:
        while process.poll() is None:
            asked.append(ask(kept, key))
            # More than a key may ask in a minute would be refused.
            time.sleep(0.7)
        assert process.stdout
        said = process.stdout.read()
    assert process.returncode == 0, said
    assert len(asked) > 3

    def found() -> bool:
        text = "\n".join(lines(kept, '{workload="gateway"}'))
        return all(request in text for request in asked)

    eventually(found, "a line of each request")


def test_a_damaged_backup_changes_nothing(kept: Project, tmp_path: Path) -> None:
    file = tmp_path / "damaged.zip"
    kept.ops("backup", "--file", str(file)).must_succeed()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(bytes(data))
    started = {name: c.attrs["State"]["StartedAt"] for name, c in kept.containers().items()}
    kept.ops("restore", "--file", str(file)).must_fail("no whole backup")
    assert {name: c.attrs["State"]["StartedAt"] for name, c in kept.containers().items()} == started


def test_it_is_written_down_who_did_it(kept: Project) -> None:
    notes = [json.loads(line) for line in (kept.folder / ".slm/audit.jsonl").read_text().splitlines()]
    did = {(note["did"], note["outcome"]) for note in notes}
    assert (f"make backup STACK={kept.stack}", "done") in did
    assert (f"make restore STACK={kept.stack}", "failed: UserError") in did


def test_control_68_production_goes_down_after_its_name_and_with_a_fresh_backup(kept: Project) -> None:
    """The last of this file: the stack is gone afterwards."""
    document = yaml.safe_load(kept.file.read_text())
    document["secretsprovider"] = "passphrase"
    document["config"]["slm:environment"] = "prod"
    kept.file.write_text(yaml.safe_dump(document, sort_keys=False))
    folder = kept.folder / ".slm/backups" / kept.stack
    for old in folder.glob("backup-*.zip"):
        old.unlink()
    name = {"CONFIRM": kept.stack}
    before = set(kept.containers())
    kept.ops("down", environment=name).must_fail("no backup of it is in", f"make backup STACK={kept.stack}")
    kept.ops("backup").must_succeed()
    kept.ops("down").must_fail("standard input is no terminal", f"CONFIRM={kept.stack}")
    kept.ops("down", environment={"CONFIRM": "yes"}).must_fail("is not the name of stack")
    assert set(kept.containers()) == before, "nothing was taken down"

    said = kept.ops("down", environment=name).must_succeed().output
    assert "is whole and 0" in said
    assert "state saved to" in said
    assert kept.leftovers() == []
