"""A container is waited for as long as it may take, and no longer."""

from __future__ import annotations

import docker.errors
import pytest
from docker.models.containers import ExecResult

from ops import health
from ops.errors import UserError

pytestmark = pytest.mark.unit


class Restarted:
    """A container that was started, as each look at it finds it: how often it ended by itself, and its health."""

    name = "slm-dev-chat"

    def __init__(self, *looks: tuple[int, str]) -> None:
        self.looks = list(looks)
        self.reload()

    def reload(self) -> None:
        restarts, health = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        check = {"Test": ["CMD", "probe"], "StartPeriod": 10**8, "Interval": 10**8, "Retries": 3}
        self.attrs = {
            "Config": {"Healthcheck": check},
            "State": {"Health": {"Status": health}},
            "RestartCount": restarts,
        }


class Asked(Restarted):
    """One whose probe succeeds the third time, long before Docker would ask again."""

    asked = 0

    def exec_run(self, words: list[str]) -> ExecResult:
        assert words == ["probe"]
        self.asked += 1
        if self.asked == 1:
            raise docker.errors.APIError("it does not run")
        return ExecResult(0 if self.asked == 3 else 1, b"")


def test_the_probe_may_be_asked_before_docker_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health.time, "sleep", lambda _: None)
    container = Asked((0, "starting"))
    assert health.wait_healthy(container, ask=True)  # type: ignore[arg-type]
    assert container.asked == 3


def test_a_container_that_ends_again_and_again_is_not_waited_for() -> None:
    assert health.wait_healthy(Restarted((0, "starting"), (0, "healthy")))  # type: ignore[arg-type]
    assert not health.wait_healthy(Restarted((0, "starting"), (2, "starting")))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="is not healthy after 0 s"):
        health.wait_healthy(Restarted((0, "starting")))  # type: ignore[arg-type]
