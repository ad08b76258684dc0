"""What is checked about the host before anything is deployed."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from ops.errors import UserError
from ops.hosts import preflight

pytestmark = pytest.mark.unit
GIB = 2**30


class Engine:
    """A Docker engine with these containers: name, labels, published host port; whether they do so just now."""

    def __init__(self, *rows: tuple[str, str, int], publishing: bool = True) -> None:
        self._rows, self._publishing = rows, publishing
        self.containers = self

    def list(self, filters: dict[str, Any] | None = None) -> list[SimpleNamespace]:
        wanted = (filters or {}).get("label")
        declared = {
            name: {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}], "9/tcp": None}
            for name, label, port in self._rows
            if wanted in (None, label)
        }
        return [
            SimpleNamespace(
                name=name, ports=ports if self._publishing else {}, attrs={"HostConfig": {"PortBindings": ports}}
            )
            for name, ports in declared.items()
        ]


@pytest.fixture
def taken() -> Any:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def test_a_free_port_is_free(taken: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    preflight.port_is_free(Engine(), "dev", "127.0.0.1", port)  # type: ignore[arg-type]


def test_a_taken_port_names_the_process_that_has_it(taken: int) -> None:
    with pytest.raises(UserError) as raised:
        preflight.port_is_free(Engine(), "dev", "127.0.0.1", taken)  # type: ignore[arg-type]
    assert f"process '{psutil.Process().name()}' (pid {os.getpid()})" in str(raised.value)
    assert "Pulumi.dev.yaml" in str(raised.value)


def test_a_taken_port_names_the_container_that_has_it(taken: int) -> None:
    engine = Engine(("web", "other", taken))
    with pytest.raises(UserError, match="container 'web'"):
        preflight.port_is_free(engine, "dev", "127.0.0.1", taken)  # type: ignore[arg-type]


@pytest.mark.parametrize("publishing", [True, False])
def test_a_port_the_stack_itself_has_is_its_own_also_while_its_container_begins_again(
    taken: int, publishing: bool
) -> None:
    engine = Engine(("slm-dev-gateway", "slm.stack=dev", taken), publishing=publishing)
    preflight.port_is_free(engine, "dev", "127.0.0.1", taken)  # type: ignore[arg-type]


@pytest.mark.parametrize(("free", "enough"), [(13 * GIB, False), (21 * GIB, True)])
def test_the_disk_must_take_the_weights_and_keep_a_tenth(
    free: int, enough: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _: SimpleNamespace(total=100 * GIB, free=free))
    if enough:
        preflight.disk_suffices(tmp_path, 10 * GIB)
        return
    with pytest.raises(UserError, match=r"has 14\.0 GB free; the weights need 21\.5 GB"):
        preflight.disk_suffices(tmp_path, 10 * GIB)


def test_no_weights_to_fetch_need_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _: SimpleNamespace(total=GIB, free=0))
    preflight.disk_suffices(tmp_path, 0)


def test_memory_limits_are_added_up() -> None:
    preflight.memory_suffices([("chat", 1024), ("gateway", 1024)], 2 * GIB)
    with pytest.raises(UserError, match=r"chat 1\.0 GiB, gateway 1\.0 GiB\) are more than this host's 1\.9 GiB"):
        preflight.memory_suffices([("chat", 1024), ("gateway", 1025)], int(1.9 * GIB))


def test_cpus_are_compared_one_container_at_a_time() -> None:
    preflight.cpus_suffice([("a", 2), ("b", 2)], 2)
    with pytest.raises(UserError, match=r"'b' asks for 2\.5 CPUs; this host has 2"):
        preflight.cpus_suffice([("a", 2), ("b", 2.5)], 2)
