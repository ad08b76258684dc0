"""What is judged of a host behind SSH: what would fail half-way, and what of control 19 it does not hold."""

from __future__ import annotations

import base64
import json
import platform
from pathlib import Path
from typing import Any

import pytest

from components.settings import Settings, load
from components.targets.spec import Docker
from ops.hosts import remote as remote_host
from ops.hosts.facts import HostFacts, parse
from tests.unit.settings_base import HOST_KEY
from tests.unit.test_fleet_rollout import described

pytestmark = pytest.mark.unit

GIB = 2**30
INFO: dict[str, Any] = {
    "DockerRootDir": "/var/lib/docker",
    "ServerVersion": "29.1.3",
    "NCPU": 8,
    "MemTotal": 16 * GIB,
    "LiveRestoreEnabled": True,
    "CgroupVersion": "2",
    "SecurityOptions": ["name=seccomp,profile=default"],
    "RegistryConfig": {"IndexConfigs": {"docker.io": {"Secure": True}}},
    "Runtimes": {"runc": {}},
}
HARDENED = {"icc": False, "userland-proxy": False}


def facts(**changes: Any) -> HostFacts:
    known = {
        "skew": 0.4,
        "machine": platform.machine(),
        "disk_total": 100 * GIB,
        "disk_free": 50 * GIB,
        "listening": frozenset({("0.0.0.0", 22)}),
        "settings": HARDENED,
    }
    return HostFacts(**{**known, **changes})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    described(tmp_path)
    return load("edge.h1", tmp_path)


def judged(settings: Settings, gpus: int = 0, info: dict[str, Any] | None = None, **changes: Any) -> list[str]:
    held, missing = changes.pop("held", set()), changes.pop("missing", 1.0)
    spec = Docker(host="ssh://slm@192.0.2.1:22", host_key=HOST_KEY, gpus=gpus)
    found = remote_host.judged(spec, settings, {**INFO, **(info or {})}, facts(**changes), missing, held)
    return [str(error) for error in found]


def test_a_good_host_is_ready(settings: Settings) -> None:
    assert judged(settings) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"info": {"ServerVersion": "19.03.8"}}, "its Docker engine is version 19.03.8"),
        ({"machine": "riscv64"}, "its processor is riscv64"),
        ({"skew": 45.0}, "its clock is 45 s ahead"),
        ({"skew": -3600.0}, "its clock is 3600 s behind"),
        ({"disk_free": 5 * GIB}, "the disk of /var/lib/docker"),
        ({"info": {"MemTotal": GIB // 2}}, "more than this host's 0.5 GiB"),
        ({"info": {"NCPU": 1}}, "this host has 1"),
        ({"listening": frozenset({("0.0.0.0", 8080)})}, "port 8080 on 192.0.2.1 is taken"),
        ({"listening": frozenset({("::", 8080)})}, "port 8080 on 192.0.2.1 is taken"),
        ({"listening": frozenset({("192.0.2.1", 8080)})}, "port 8080 on 192.0.2.1 is taken"),
    ],
)
def test_what_would_fail_half_way_is_named_with_its_fix(
    settings: Settings, changes: dict[str, Any], words: str
) -> None:
    (said,) = judged(settings, **changes)
    assert words in said
    assert "fix:" in said


@pytest.mark.parametrize(
    "changes",
    [
        {"listening": frozenset({("127.0.0.1", 8080)})},
        {"listening": frozenset({("0.0.0.0", 8080)}), "held": {8080}},
        {"missing": 0.0, "disk_free": 0},
        {"skew": -20.0},
    ],
)
def test_what_is_no_obstacle_is_none(settings: Settings, changes: dict[str, Any]) -> None:
    assert judged(settings, **changes) == []


def test_all_that_is_wrong_is_told_at_once(settings: Settings) -> None:
    assert len(judged(settings, skew=99.0, disk_free=0, info={"NCPU": 1})) == 3


def test_control_19_a_hardened_engine_has_no_weak_spot() -> None:
    assert list(remote_host.weak_spots(INFO, facts())) == []
    flags = ("dockerd", "--icc=false", "--userland-proxy=false")
    assert list(remote_host.weak_spots(INFO, facts(settings={}, arguments=flags))) == []


@pytest.mark.parametrize(
    ("info", "changes", "words"),
    [
        ({"LiveRestoreEnabled": False}, {}, "live-restore is off"),
        ({}, {"settings": {"userland-proxy": False}}, "icc is on"),
        ({}, {"settings": {"icc": False}}, "userland-proxy is on"),
        ({}, {"settings": None}, "may not read /etc/docker/daemon.json"),
        ({"RegistryConfig": {"IndexConfigs": {"r:5000": {"Secure": False}}}}, {}, "without TLS are trusted: r:5000"),
        ({}, {"settings": {**HARDENED, "hosts": ["tcp://0.0.0.0:2375"]}}, "listens on TCP without TLS"),
        ({}, {"arguments": ("dockerd", "-H", "tcp://0.0.0.0:2375")}, "listens on TCP without TLS"),
        ({"SecurityOptions": []}, {}, "seccomp is off"),
        ({"CgroupVersion": "1"}, {}, "cgroup v1"),
        ({"Warnings": ["WARNING: No swap limit support"]}, {}, "No swap limit support"),
    ],
)
def test_control_19_each_weak_spot_of_an_engine_is_told(
    info: dict[str, Any], changes: dict[str, Any], words: str
) -> None:
    (said,) = remote_host.weak_spots({**INFO, **info}, facts(**changes))
    assert words in said


def test_control_19_tcp_with_verified_tls_is_no_weak_spot() -> None:
    safe = {**HARDENED, "hosts": ["tcp://0.0.0.0:2376"], "tlsverify": True}
    assert list(remote_host.weak_spots(INFO, facts(settings=safe))) == []


DESCRIBED = f"""clock 1000
machine x86_64
disk /dev/sda1 1000 400 600 40% /
settings {base64.b64encode(json.dumps(HARDENED).encode()).decode()}
engine /usr/bin/dockerd -H fd://
tcp   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1 1 0 100 0 0 10 0
tcp   1: 0B0200C0:0016 00000000:0000 01 00000000:00000000 00:00000000 00000000 0 0 1 1 0 100 0 0 10 0
tcp   0: 00000000000000000000000000000000:20FB 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 1 1 0
tcp   1: 0000000000000000FFFF00000B0200C0:01BB 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 1 1 0
"""


def test_a_hosts_description_of_itself_is_read() -> None:
    found = parse(DESCRIBED, now=990.0)
    assert found.skew == 10.0
    assert (found.disk_total, found.disk_free) == (1000 * 1024, 600 * 1024)
    assert found.settings == HARDENED
    assert found.arguments == ("/usr/bin/dockerd", "-H", "fd://")
    assert found.listening == {("127.0.0.1", 8080), ("::", 8443), ("192.0.2.11", 443)}


def test_settings_that_may_not_be_read_are_not_known() -> None:
    lines = [line for line in DESCRIBED.splitlines() if not line.startswith("settings")]
    assert parse("\n".join([*lines, "settings "]), 990).settings is None
    assert parse("\n".join([*lines, "settings bm8="]), 990).settings is None


def test_a_description_in_another_form_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown form"):
        parse("Welcome to BusyBox", 0)
