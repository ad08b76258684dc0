"""The life of a pull request, as the workflows play it: report, stack up, smoke, told, updated, closed, swept."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import httpx
import pytest

from tests.docker import fast_stack
from tests.docker.project import Finished, Project, remove_stacks

# A stack is brought up twice, and looked at by the sweeper three times.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]
NUMBER = 990012
STACK = f"pr-{NUMBER}"
BASE = "test-review-base"


@dataclass(frozen=True)
class Repository:
    """A checkout on a runner: its states are beside it, because a runner empties its checkout before each job."""

    project: Project
    outside: Path

    def make(self, command: str, *arguments: str) -> Finished:
        """A command of the workflows, to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "ops", command, *arguments],
            cwd=self.project.folder,
            env={
                **os.environ,
                "NO_COLOR": "1",
                "COLUMNS": "200",
                "OWNER": "anna",
                "PULUMI_BACKEND_URL": f"file://{self.outside / 'state'}",
                "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.outside / "passphrase"),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
        return Finished(done.returncode, done.stdout + done.stderr)

    def review(self) -> dict[str, object]:
        """Bring the stack up as the workflow does; gives what the pull request is told."""
        file = self.project.folder / "review.md"
        self.make("review", "--pr", str(NUMBER), "--base", BASE, "--hours", "3", "--file", str(file)).must_succeed()
        told: dict[str, object] = json.loads(file.with_suffix(".json").read_text())
        assert str(told["endpoint"]) in file.read_text()
        return told

    def report(self) -> bytes:
        """What the pull request is told of its change, compared with main and asked of the real Pulumi."""
        file = self.project.folder / "report.md"
        self.make("report-pr", "--stack", BASE, "--base", "main", "--file", str(file)).must_succeed()
        return file.read_bytes()

    def cleaned(self) -> None:
        """As a runner leaves a checkout for the next job: nothing that git does not know."""
        shutil.rmtree(self.project.folder / ".slm")
        (self.project.folder / f"Pulumi.{STACK}.yaml").unlink()

    def key(self) -> str:
        """The stack's API key, which no comment shows."""
        machine = self.project.folder / ".slm" / STACK / f"Pulumi.{STACK}.yaml"
        done = subprocess.run(
            ["pulumi", "config", "get", "slm:apiKeys", "-s", STACK, "--config-file", str(machine)],
            cwd=self.project.folder,
            env={
                **os.environ,
                "PULUMI_BACKEND_URL": f"file://{self.outside / 'state'}",
                "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.outside / "passphrase"),
            },
            capture_output=True,
            text=True,
            check=True,
        )
        return str(json.loads(done.stdout)["key-1"])

    def left(self) -> list[str]:
        """Everything of the review stack: on the engine, in the backend, in the checkout."""
        client, filters = docker.from_env(), {"label": f"slm.stack={STACK}"}
        try:
            found = [str(c.name) for c in client.containers.list(all=True, filters=dict(filters))]
            found += [str(n.name) for n in client.networks.list(filters=dict(filters))]
            found += [str(v.name) for v in client.volumes.list(filters=dict(filters))]
        finally:
            client.close()
        files = [*self.outside.rglob(f"{STACK}*"), *self.project.folder.glob(f"*{STACK}*")]
        return (
            found + [str(f) for f in files if f.is_file()] + [str(f) for f in self.project.folder.glob(f".slm/{STACK}")]
        )


def commit(folder: Path, branch: str) -> None:
    """All files as a commit at the tip of a new branch, by nobody in particular."""
    name = ("-c", "user.name=Anna", "-c", "user.email=anna@example.org", "-c", "commit.gpgsign=false")
    steps = [] if (folder / ".git").exists() else [("init", "-q", "-b", branch)]
    steps += [] if steps else [("checkout", "-q", "-b", branch)]
    for step in (*steps, ("add", "-A"), (*name, "commit", "-q", "-m", branch)):
        subprocess.run(["git", *step], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """A branch whose description differs from main's."""
    remove_stacks(lambda stack: stack == STACK)
    outside = tmp_path_factory.mktemp("outside")
    (outside / "state").mkdir()
    (outside / "passphrase").write_text("of the runner\n")
    project = fast_stack.declare(tmp_path_factory.mktemp("branch"), BASE)
    commit(project.folder, "main")
    project.change({"slm:gateway": {"limits": {"requests_per_minute": 77}}})
    commit(project.folder, "fewer-requests")
    yield Repository(project, outside)
    remove_stacks(lambda stack: stack in (STACK, BASE))


def test_a_pull_request_is_told_what_it_changes_the_same_each_time(repository: Repository) -> None:
    report = repository.report()
    assert repository.report() == report
    said = report.decode()
    assert "requests of one key a minute" in said
    assert "77" in said
    assert "Pulumi was not asked" not in said


def test_a_pull_request_from_its_label_to_its_end(repository: Repository) -> None:
    told = repository.review()
    port = int(str(told["endpoint"]).rpartition(":")[2].removesuffix("/v1"))
    assert 20000 <= port < 30000
    assert (told["owner"], told["pull_request"], told["up"]) == ("anna", NUMBER, True)
    key = repository.key()
    assert key not in (repository.project.folder / "review.md").read_text()
    headers = {"Authorization": f"Bearer {key}"}
    answer = httpx.get(f"{told['endpoint']}/models", headers=headers, timeout=60, trust_env=False)
    assert answer.status_code == 200

    # The next push: another job on an empty checkout finds the same stack, with the keys that people have.
    repository.cleaned()
    again = repository.review()
    assert (again["endpoint"], again["created"]) == (told["endpoint"], told["created"])
    assert str(again["expires"]) > str(told["expires"])
    assert repository.key() == key

    # The night: while the pull request is open it stays.
    repository.cleaned()
    file = repository.project.folder / "open.json"
    file.write_text(json.dumps([NUMBER, 3]))
    assert f"{STACK} " in (stays := repository.make("sweep", "--open", str(file), "--apply").must_succeed().output)
    assert "nothing to remove" in stays
    assert "anna" in stays
    assert repository.left()

    # It was closed, and whoever was to remove it did not: a dry run says so, and the next one does it.
    file.write_text("[3]")
    assert "1 would go" in repository.make("sweep", "--open", str(file)).must_succeed().output
    assert repository.left()
    assert (
        "1 removed, 0 need somebody" in repository.make("sweep", "--open", str(file), "--apply").must_succeed().output
    )
    assert repository.left() == []
    assert repository.make("review-down", "--pr", str(NUMBER)).must_succeed().output.count("nothing to remove") == 1
