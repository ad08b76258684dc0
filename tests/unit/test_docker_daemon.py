"""A signal reaches a container's first process from inside, so that Docker does not take it for stopped by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from components.targets.docker.daemon import Daemon

pytestmark = pytest.mark.unit


class Container:
    """One whose shell ends with `code`, or which answers with an error."""

    def __init__(self, code: int | Exception) -> None:
        self.code, self.ran, self.killed = code, list[list[str]](), list[str]()

    def exec_run(self, command: list[str]) -> Any:
        if isinstance(self.code, Exception):
            raise self.code
        self.ran.append(command)
        return SimpleNamespace(exit_code=self.code)

    def kill(self, signal: str) -> None:
        self.killed.append(signal)


def sent(container: Container, missing: bool = False) -> bool:
    def get(name: str) -> Container:
        if missing:
            raise docker.errors.NotFound("x")
        return container

    daemon = Daemon()
    daemon.client = SimpleNamespace(containers=SimpleNamespace(get=get))  # type: ignore[assignment]
    return daemon.signal("slm-dev-gateway", "SIGUSR2")


def error(code: int) -> docker.errors.APIError:
    return docker.errors.APIError("x", response=SimpleNamespace(status_code=code))


def test_its_own_shell_sends_it_and_docker_does_not() -> None:
    container = Container(0)
    assert sent(container)
    assert container.ran == [["sh", "-c", "kill -USR2 1"]]
    assert container.killed == []


@pytest.mark.parametrize("code", [126, 127])
def test_docker_sends_it_where_an_image_has_no_shell(code: int) -> None:
    container = Container(code)
    assert sent(container)
    assert container.killed == ["SIGUSR2"]


def test_one_that_is_not_there_or_does_not_run_gets_none() -> None:
    assert not sent(Container(0), missing=True)
    assert not sent(Container(error(409)))
    with pytest.raises(docker.errors.APIError):
        sent(Container(error(500)))
