"""The way to a host is lost in the middle of a backup: nothing stands still for good, and it is told in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import docker.errors
import pytest
import requests

from ops.backup import command, volumes
from ops.backup.volumes import Volumes
from ops.errors import UserError

pytestmark = pytest.mark.unit


class Container:
    """A container that notes what is done to it; `cut` is how many of the next starts find no connection."""

    name, id, status = "slm-edge.a-prometheus", "1", "running"

    def __init__(self, cut: int = 0) -> None:
        self.cut, self.did = cut, list[str]()
        health = {"Test": ["NONE"], "StartPeriod": 0, "Interval": 1, "Retries": 1}
        self.attrs = {"Config": {"Healthcheck": health}, "State": {"Health": {"Status": "healthy"}}}

    def stop(self, timeout: int) -> None:
        self.did.append(f"stop {timeout}")

    def start(self) -> None:
        if self.cut:
            self.cut -= 1
            raise requests.ConnectionError("the socket of the tunnel is gone")
        self.did.append("start")

    def reload(self) -> None:
        return


class Engines:
    """Connections to the one engine: those that fail first, and how many were made."""

    def __init__(self, container: Container, silent: int = 0) -> None:
        self.container, self.silent, self.made = container, silent, 0

    def __call__(self) -> Any:
        self.made += 1
        if 1 < self.made <= 1 + self.silent:
            raise UserError("it does not answer")
        return SimpleNamespace(containers=SimpleNamespace(get=lambda _name: self.container))


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr(volumes.time, "sleep", lambda _: None)
    monkeypatch.setattr(volumes.time, "monotonic", lambda: float(next(clock)))


def test_a_container_runs_again_by_a_new_connection() -> None:
    container = Container(cut=3)
    engines = Engines(container, silent=2)
    with Volumes(engines, "edge.a", "image").standing_still("prometheus") as still:
        assert cast("Container", still).did == ["stop 60"]
    assert container.did == ["stop 60", "start"]
    assert engines.made == 4, "the first, two that failed, and one that works"


def test_what_broke_the_copy_is_raised_once_the_container_runs() -> None:
    container = Container(cut=1)
    with (
        pytest.raises(requests.ConnectionError, match="in the middle"),
        Volumes(Engines(container), "edge.a", "image").standing_still("prometheus"),
    ):
        raise requests.ConnectionError("in the middle of the copy")
    assert container.did == ["stop 60", "start"]


def test_a_host_that_stays_away_is_told_with_what_stands_still() -> None:
    container = Container(cut=10_000)
    with (
        pytest.raises(UserError) as error,
        Volumes(Engines(container), "edge.a", "image").standing_still("prometheus"),
    ):
        pass
    assert "did not come back in 600 s" in error.value.what
    assert error.value.harm == "slm-edge.a-prometheus stands still"
    assert "docker start slm-edge.a-prometheus" in (error.value.fix or "")


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (requests.ConnectionError("refused"), "the connection to the Docker engine was lost"),
        (requests.ReadTimeout("late"), "the connection to the Docker engine was lost"),
        (docker.errors.APIError("x", explanation="no space left"), "the Docker engine refuses: no space left"),
        (docker.errors.DockerException("odd"), "the Docker engine refuses: odd"),
    ],
)
def test_an_engine_that_fails_is_a_sentence_and_no_traceback(raised: Exception, words: str) -> None:
    with pytest.raises(UserError) as error, command.told_plainly("there is no new backup"):
        raise raised
    assert error.value.what == words
    assert error.value.harm == "there is no new backup"


def test_a_sentence_stays_what_it_is() -> None:
    def asked() -> Iterator[None]:
        with command.told_plainly("harm"):
            raise UserError("its own words")
        yield

    with pytest.raises(UserError, match="its own words"):
        next(asked())
