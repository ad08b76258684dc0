"""Who starts an engine again that is alive and does nothing, and what else it may do: nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from components import watchdog
from components.settings import Settings, SettingsError
from components.targets.docker.agents import may_be_root, may_see
from components.targets.docker.container import Names
from ops.hosts.preflight import memory_limits
from tests.unit.monitoring_samples import planned
from tests.unit.settings_base import DIGEST, load_changed

pytestmark = pytest.mark.unit

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJfkOYBqSkqGmHDPDOhUQ0Z6cRKbJyfLMBVKdtqjnmM4"


def stack(directory: Path, **laptop: Any) -> Settings:
    settings = load_changed({"targets": {"laptop": {"kind": "docker", **laptop}}}, directory)
    return settings.model_copy(
        update={"images": {role: settings.images.get(role, DIGEST) for role in settings.roles()}}
    )


def test_a_host_nobody_sits_at_has_one_and_this_machine_only_when_asked(tmp_path: Path) -> None:
    assert watchdog.NAME not in planned(stack(tmp_path))
    assert watchdog.NAME in planned(stack(tmp_path, restart_unhealthy_seconds=60))
    remote = {"host": "ssh://slm@192.0.2.11", "host_key": KEY}
    dog = planned(stack(tmp_path, **remote))[watchdog.NAME].workload
    assert dog.args[:2] == (str(watchdog.PORT), "300"), "five minutes, as a kubelet waits"
    assert watchdog.NAME not in planned(stack(tmp_path, **remote, restart_unhealthy_seconds=0))


def test_control_10_11_it_is_on_no_network_and_has_the_socket(tmp_path: Path) -> None:
    settings = stack(tmp_path, restart_unhealthy_seconds=60)
    around = planned(settings)[watchdog.NAME].around
    assert (around.circles, around.exposure, around.calls) == ((), None, False)
    assert around.view == "container-restarts"
    assert may_see(around.view, "/var/run/docker.sock")
    assert may_be_root(around.view)
    assert not may_see(around.view, "/etc")
    assert (watchdog.NAME, watchdog.MEMORY_MIB) in memory_limits(settings)


def test_its_proxy_passes_two_questions_about_containers_of_the_stack(tmp_path: Path) -> None:
    dog = planned(stack(tmp_path, restart_unhealthy_seconds=60))[watchdog.NAME].workload
    containers = [Names("dev").container(name) for name in ("chat", "gateway")]
    assert dog.args[2:] == tuple(containers)
    [text] = [file.content for file in dog.files if file.name == "haproxy.cfg"]
    paths = dict(re.findall(r"acl (\w+) path_reg (\S+)", text))
    assert all(re.search(paths["look"], f"/containers/{name}/json") for name in containers)
    assert all(re.search(paths["again"], f"/containers/{name}/restart") for name in containers)
    for path in (
        "/containers/other/json",
        "/containers/slm-dev-chat2/json",
        "/containers/json",
        "/info",
        "/v1.41/_ping",
    ):
        assert not any(re.search(pattern, path) for pattern in paths.values()), path
    assert not any(re.search(pattern, f"/containers/{containers[0]}/exec") for pattern in paths.values())


def test_no_engine_may_have_its_name(tmp_path: Path) -> None:
    chat = {"kind": "ollama", "target": "laptop", "model": "qwen2.5-coder-0.5b-instruct"}
    with pytest.raises(SettingsError, match=r"engines.watchdog: .*called so already"):
        load_changed({"engines": {"watchdog": chat}}, tmp_path)
