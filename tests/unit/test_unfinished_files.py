"""Files that were uploaded and not handed over, because a deployment was cut off in between."""

from __future__ import annotations

import io
import tarfile
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import NotFound
from rich.console import Console

from ops import unfinished_files

pytestmark = pytest.mark.unit


def packed(owner: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("./haproxy.cfg", "./keys.map"):
            info = tarfile.TarInfo(name)
            info.uid, info.size, info.mode = owner, 1, 0o400
            tar.addfile(info, io.BytesIO(b"x"))
    return buffer.getvalue()


class Engine:
    """A Docker engine with one service and the container that carries its files."""

    def __init__(self, owner: int, user: str = "10001:10001", *, service: bool = True) -> None:
        self.archive, self.user, self.restarted, self.service = packed(owner), user, 0, service
        self.api = SimpleNamespace(get_archive=lambda *_: ([self.archive], {}), put_archive=self._put)
        self.containers = SimpleNamespace(get=self._get)

    def _put(self, _container: str, _path: str, data: bytes) -> None:
        self.archive = data

    def _get(self, name: str) -> Any:
        if name.endswith("-files"):
            attributes = {"Config": {"User": self.user}}
            return SimpleNamespace(id="c", attrs=attributes, get_archive=lambda _path: ([self.archive], {}))
        if not self.service:
            raise NotFound("gone")
        return SimpleNamespace(restart=self._restart)

    def _restart(self) -> None:
        self.restarted += 1

    @property
    def owners(self) -> set[tuple[int, int, int]]:
        with tarfile.open(fileobj=io.BytesIO(self.archive)) as tar:
            return {(info.uid, info.gid, info.mode) for info in tar}


NAMES = ("slm-dev-gateway", "slm-dev-gateway-files")


def mend(engine: Engine, names: tuple[str, ...] = NAMES) -> int:
    client: Any = engine
    return len(unfinished_files.mend(client, names, Console(quiet=True)))


def test_files_that_were_left_to_root_are_handed_over_and_the_service_starts_again() -> None:
    engine = Engine(owner=0)
    assert mend(engine) == 1
    assert engine.owners == {(10001, 10001, 0o400)}
    assert engine.restarted == 1
    assert mend(engine) == 0, "only once"


def test_a_service_that_has_its_files_is_left_alone() -> None:
    engine = Engine(owner=10001)
    assert mend(engine) == 0
    assert engine.restarted == 0


def test_a_service_that_is_gone_is_made_again_by_the_deployment() -> None:
    engine = Engine(owner=0, service=False)
    assert mend(engine) == 0
    assert engine.owners == {(10001, 10001, 0o400)}


def test_a_container_of_that_name_alone_is_no_carrier_of_files() -> None:
    engine = Engine(owner=0)
    assert mend(engine, ("slm-dev-my-files",)) == 0
    assert engine.restarted == 0
