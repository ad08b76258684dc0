"""A container is waited for as long as it may take, and no longer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from ops import health
from ops.errors import UserError

pytestmark = pytest.mark.unit


class Restarted:
    """A container that was started, as each look at it finds it: how often it ended by itself, and its health.

    It is waited for somewhat longer than `seconds`.
    """

    name = "slm-dev-chat"

    def __init__(self, *looks: tuple[int, str], seconds: float = 60) -> None:
        self.looks, self.seconds = list(looks), seconds
        self.reload()

    def reload(self) -> None:
        restarts, health = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        check = {
            "Test": ["CMD", "probe"],
            "Timeout": 10**7,
            "StartPeriod": self.seconds * 1e9,
            "Interval": 10**8,
            "Retries": 3,
        }
        self.attrs = {
            "Config": {"Healthcheck": check},
            "State": {"Health": {"Status": health}},
            "RestartCount": restarts,
        }


class Asked(Restarted):
    """One whose probe runs here: each run ends with a code, with None never, and with an error where nothing runs."""

    id = "1"

    def __init__(self, *runs: int | Exception | None, seconds: float = 60) -> None:
        super().__init__((0, "starting"), seconds=seconds)
        self.runs, self.asked = list(runs), 0
        self.client = SimpleNamespace(api=self)

    def exec_create(self, container: str, words: list[str]) -> dict[str, str]:
        assert (container, words) == ("1", ["probe"])
        self.asked += 1
        if isinstance(run := self.runs[self.asked - 1], Exception):
            raise run
        return {"Id": "probe"}

    def exec_start(self, probe: str, *, detach: bool) -> None:
        assert (probe, detach) == ("probe", True)

    def exec_inspect(self, probe: str) -> dict[str, Any]:
        code = self.runs[self.asked - 1]
        return {"Running": code is None, "ExitCode": code}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health.time, "sleep", lambda _: None)


@pytest.mark.usefixtures("quick")
def test_the_probe_may_be_asked_before_docker_does() -> None:
    container = Asked(docker.errors.APIError("it does not run"), 1, 0)
    assert health.wait_healthy(container, ask=True)  # type: ignore[arg-type]
    assert container.asked == 3


@pytest.mark.usefixtures("quick")
def test_a_probe_that_does_not_end_is_not_waited_for_and_not_begun_again() -> None:
    container = Asked(None, seconds=0.1)
    with pytest.raises(UserError, match="is not healthy after 0 s"):
        health.wait_healthy(container, ask=True)  # type: ignore[arg-type]
    assert container.asked == 1


def test_a_container_that_ends_again_and_again_is_not_waited_for() -> None:
    assert health.wait_healthy(Restarted((0, "starting"), (0, "healthy")))  # type: ignore[arg-type]
    assert not health.wait_healthy(Restarted((0, "starting"), (2, "starting")))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="is not healthy after 0 s"):
        health.wait_healthy(Restarted((0, "starting"), seconds=0.1))  # type: ignore[arg-type]
