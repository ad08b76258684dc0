"""A link that is gone for a while does not end a deployment that is already at work."""

from __future__ import annotations

import pytest

from components.targets.docker import connection
from components.targets.docker.connection import opened
from components.targets.docker.ssh_errors import PASSING, Failure, SshError
from components.targets.spec import Docker
from tests.unit.settings_base import HOST_KEY

pytestmark = pytest.mark.unit

SPEC = Docker(host="ssh://slm@192.0.2.1:22", host_key=HOST_KEY)


class Tunnels:
    """Tunnels of which the first ones fail in this way."""

    def __init__(self, *kinds: str) -> None:
        self._kinds, self.tried = list(kinds), 0

    def __call__(self, _spec: Docker) -> Tunnels:
        return self

    def open(self) -> Tunnels:
        self.tried += 1
        if self._kinds:
            raise SshError(Failure(self._kinds.pop(0), "it fails", "nothing was changed", "mend it"))
        return self


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)


def test_a_link_that_comes_back_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    tunnels = Tunnels(*PASSING)
    monkeypatch.setattr(connection, "Tunnel", tunnels)
    assert opened(SPEC) is tunnels
    assert tunnels.tried == len(PASSING) + 1


@pytest.mark.parametrize("kind", ["host key", "key refused", "no Docker", "ssh"])
def test_what_waiting_does_not_change_is_told_at_once(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    tunnels = Tunnels(kind)
    monkeypatch.setattr(connection, "Tunnel", tunnels)
    with pytest.raises(SshError, match="it fails"):
        opened(SPEC)
    assert tunnels.tried == 1


def test_a_link_that_stays_away_is_told_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "Tunnel", Tunnels(*["unreachable"] * 9))
    with pytest.raises(SshError, match="it fails"):
        opened(SPEC, seconds=0)
