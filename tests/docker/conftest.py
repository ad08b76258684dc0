"""What tests with a real Docker engine share: the toolchain on PATH, and one stack that is up for the whole session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from filelock import FileLock

from tests.docker.project import TEST_PREFIX, Project, remove_stacks
from tests.docker.shared_weights import SharedWeights
from tools.environment import toolchain_environment


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The stack of all engines takes ten gigabytes and stays up to the end: its tests come last."""
    items.sort(key=lambda item: "engines" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session", autouse=True)
def toolchain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The project's own Pulumi first on PATH, as `make` puts it."""
    before = dict(os.environ)
    os.environ.update(toolchain_environment())
    # What an earlier run left when it was killed holds the names this one needs. Several runs at once must not remove
    # each other's.
    if not os.environ.get("SLM_TEST_KEEP_STACKS"):
        remove_of_earlier_runs(tmp_path_factory.getbasetemp())
    yield
    os.environ.clear()
    os.environ.update(before)


def remove_of_earlier_runs(folder: Path) -> None:
    """Remove every stack of tests, once: the other processes of this run wait, and have begun nothing yet."""
    shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    removed = shared / "stacks-removed"
    with FileLock(removed.with_suffix(".lock")):
        if not removed.exists():
            remove_stacks(lambda stack: stack.startswith(TEST_PREFIX))
            removed.touch()


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A stack that was brought up as a person does it. Tests leave it running and as declared."""
    project = Project.copy(tmp_path_factory.mktemp("live") / "project", "test-live")
    project.first_up = project.ops("up").must_succeed()
    yield project
    project.ops("down", "--purge").must_succeed()
    assert project.leftovers() == []


@pytest.fixture(scope="session")
def shared_weights() -> Iterator[SharedWeights]:
    """Real weights in the form each engine reads, made once."""
    client = docker.from_env()
    with SharedWeights(client) as shared:
        yield shared
    client.close()


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Every engine this machine runs, in one stack that is watched, brought up as a person does it."""
    project = Project.copy(tmp_path_factory.mktemp("engines") / "project", "test-engines", like="engines")
    project.change({"slm:monitoring": {"target": "laptop", "scrape_seconds": 5}})
    # Weights are fetched and converted on the way, and the slowest engine takes a minute to load.
    project.first_up = project.ops("up", timeout=1500).must_succeed()
    yield project
    project.ops("down", "--purge").must_succeed()
    assert project.leftovers() == []
