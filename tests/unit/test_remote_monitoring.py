"""Monitoring on a host behind SSH: what it needs there is judged before, what nobody offers is left out."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from components.settings import Settings, load
from ops import inside
from ops.drill.scene import Scene
from ops.errors import UserError
from ops.fleet import status as fleet_status
from ops.fleet.status import State
from ops.hosts.preflight import memory_limits
from ops.images import delivery
from ops.machine import Machine
from ops.status import command
from tests.unit.test_fleet_rollout import described
from tests.unit.test_remote_host import judged

pytestmark = pytest.mark.unit


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    described(tmp_path)
    file = tmp_path / "Pulumi.edge.yaml"
    document = yaml.safe_load(file.read_text())
    target = document["config"]["slm:gateway"]["target"]
    document["config"]["slm:monitoring"] = {"target": target, "grafana": {}}
    file.write_text(yaml.safe_dump(document))
    return load("edge.h1", tmp_path)


def test_memory_and_port_of_monitoring_are_judged_with_the_rest(settings: Settings) -> None:
    assert judged(settings) == []
    needed = sum(mib for _, mib in memory_limits(settings))
    without = settings.model_copy(update={"monitoring": None})
    short: dict[str, Any] = {"info": {"MemTotal": int((needed - 100) * 2**20)}}
    assert judged(without, **short) == []
    (said,) = judged(settings, **short)
    assert "monitoring" in said
    assert settings.monitoring is not None
    assert settings.monitoring.grafana is not None
    port = settings.monitoring.grafana.port
    (said,) = judged(settings, listening=frozenset({("127.0.0.1", port)}))
    assert "monitoring.grafana" in said
    assert judged(settings, listening=frozenset({("127.0.0.1", port)}), held={port}) == []


def delivered(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, here: str | None, *, runs: bool = True
) -> tuple[dict[str, str], str]:
    """What is chosen for a host that reaches no registry, and what was said; `here` is what this machine has, `runs`
    whether that is for the host's processor."""
    carried: list[str] = []
    monkeypatch.setattr(delivery, "has", lambda *_: False)
    monkeypatch.setattr(delivery, "_outdated", lambda *_: False)
    monkeypatch.setattr(delivery, "_pulled", lambda *_: False)
    monkeypatch.setattr(delivery, "made_here", lambda _settings, role, _console: f"sha256:{role}")
    monkeypatch.setattr(delivery, "found_here", lambda *_: here)
    monkeypatch.setattr(delivery, "runs_there", lambda *_: runs)
    monkeypatch.setattr(delivery, "carry", lambda _spec, role, *_: carried.append(role))
    said = io.StringIO()
    nothing: Any = None
    chosen = delivery.bring_all(nothing, nothing, settings, Console(file=said, width=300))
    assert sorted(carried) == sorted(chosen)
    return chosen, said.getvalue()


def test_an_image_the_stack_can_do_without_is_left_out_where_nobody_has_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, said = delivered(settings, monkeypatch, None)
    assert set(chosen) == set(settings.roles())
    assert "prometheus" in chosen
    assert "grafana: left out" in said


def test_such_an_image_is_brought_where_this_machine_has_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, said = delivered(settings, monkeypatch, "sha256:here")
    assert chosen["grafana"] == "sha256:here"
    assert "left out" not in said


def test_no_image_is_carried_to_a_host_of_another_processor(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="for another processor than the host's"):
        delivered(settings, monkeypatch, "sha256:here", runs=False)


def test_monitoring_of_a_host_is_asked_through_the_hosts_own_engine(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Settings] = []
    monkeypatch.setattr(inside.docker_client, "of", asked.append)
    assert isinstance(inside.of(settings, "edge.h1"), inside.Wget)
    assert asked == [settings]


def test_drills_are_refused_on_another_machine(settings: Settings, tmp_path: Path) -> None:
    assert settings.monitoring
    with pytest.raises(UserError, match="never played over SSH"):
        Scene(Machine("edge.h1", tmp_path))


@pytest.mark.parametrize(("healthy", "code"), [(2, 0), (1, 1)])
def test_a_host_without_monitoring_is_shown_by_its_containers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, healthy: int, code: int
) -> None:
    described(tmp_path)
    monkeypatch.setattr(command, "Machine", lambda stack: Machine(stack, tmp_path))
    monkeypatch.setattr(fleet_status, "look_at", lambda _: State("h1", containers=2, healthy=healthy))
    shown = io.StringIO()
    assert command.run("edge.h1", False, Console(file=shown, width=160)) == code
    assert f"{healthy} of 2 healthy" in shown.getvalue()
