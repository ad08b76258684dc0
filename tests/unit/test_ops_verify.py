"""Each rule on what runs fails on exactly the change it is about."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from ops.verify import RULES, broken_controls

pytestmark = pytest.mark.unit

GOOD: dict[str, Any] = {
    "Name": "/slm-dev-gateway",
    "Config": {
        "User": "10001:10001",
        "Labels": {"slm.workload": "gateway"},
        "Healthcheck": {"Test": ["CMD", "true"]},
        "StopTimeout": 35,
        "StopSignal": "SIGTERM",
    },
    "HostConfig": {
        "ReadonlyRootfs": True,
        "Tmpfs": {"/tmp": "rw,nosuid,nodev,noexec,size=64m,uid=10001,gid=10001,mode=0700"},
        "CapDrop": ["ALL"],
        "CapAdd": None,
        "SecurityOpt": ["no-new-privileges:true"],
        "Privileged": False,
        "PidMode": "",
        "IpcMode": "private",
        "NetworkMode": "slm-dev-internal",
        "UTSMode": "",
        "UsernsMode": "",
        "Memory": 2**30,
        "MemorySwap": 2**30,
        "NanoCpus": 0,
        "CpuQuota": 100_000,
        "PidsLimit": 128,
        "PortBindings": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]},
        "RestartPolicy": {"Name": "unless-stopped"},
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
    },
    "NetworkSettings": {"Networks": {"slm-dev-internal": {}}},
    "Mounts": [{"Type": "volume", "Source": "slm-dev-gateway-files", "Destination": "/etc/slm"}],
}


def put(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """A change of one value, by its path with dots."""

    def change(inspected: dict[str, Any]) -> None:
        *folders, last = path.split(".")
        place: Any = inspected
        for folder in folders:
            place = place[folder]
        place[last] = value

    return change


MUTATIONS = [
    (1, put("Config.User", ""), "runs as 'root'"),
    (1, put("Config.User", "0:0"), "runs as '0:0'"),
    (1, put("Config.User", "ollama"), "runs as 'ollama'"),
    (2, put("HostConfig.ReadonlyRootfs", False), "can be written"),
    (3, put("HostConfig.Tmpfs", {"/tmp": "rw,size=64m,mode=0700"}), "lacks nosuid, uid="),
    (4, put("HostConfig.CapDrop", None), "does not drop"),
    (4, put("HostConfig.CapAdd", ["CAP_SYS_ADMIN"]), "SYS_ADMIN"),
    (5, put("HostConfig.SecurityOpt", []), "new privileges"),
    (5, put("HostConfig.SecurityOpt", ["no-new-privileges:false"]), "new privileges"),
    (5, put("HostConfig.SecurityOpt", ["no-new-privileges:true", "seccomp=unconfined"]), "unconfined"),
    (6, put("HostConfig.Privileged", True), "privileged"),
    (6, put("HostConfig.PidMode", "host"), "PidMode"),
    (6, put("HostConfig.IpcMode", "host"), "IpcMode"),
    (6, put("HostConfig.NetworkMode", "host"), "NetworkMode"),
    (7, put("HostConfig.Memory", 0), "no memory limit"),
    (7, put("HostConfig.MemorySwap", -1), "swap"),
    (7, put("HostConfig.CpuQuota", 0), "no CPU limit"),
    (8, put("HostConfig.PidsLimit", None), "no limit on processes"),
    (8, put("HostConfig.PidsLimit", -1), "no limit on processes"),
    (9, put("HostConfig.PortBindings", {"8080/tcp": [{"HostIp": "", "HostPort": "8080"}]}), "every address"),
    (9, put("Config.Labels", {"slm.workload": "chat"}), "only the gateway may"),
    (10, put("NetworkSettings.Networks", {"bridge": {}}), "default bridge"),
    (11, put("Mounts", [{"Type": "bind", "Source": "/var/run/docker.sock"}]), "docker.sock"),
    (12, put("Config.Healthcheck", None), "no health check"),
    (13, put("HostConfig.RestartPolicy", {"Name": "no"}), "does not come back"),
    (14, put("HostConfig.LogConfig", {"Type": "json-file", "Config": {}}), "without limit"),
    (18, put("Config.StopTimeout", None), "no drain time"),
    (18, put("Config.StopSignal", "SIGKILL"), "no drain time"),
]


def test_a_hardened_container_breaks_nothing() -> None:
    assert broken_controls(GOOD) == []


@pytest.mark.parametrize(("control", "change", "words"), MUTATIONS, ids=lambda value: str(value)[:30])
def test_a_weakened_container_breaks_its_control_and_no_other(
    control: int, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    weakened = copy.deepcopy(GOOD)
    change(weakened)
    (found,) = broken_controls(weakened)
    assert (found.control, found.container) == (control, "slm-dev-gateway")
    assert words in found.problem


def test_every_rule_has_a_change_that_breaks_it() -> None:
    assert {rule.control for rule in RULES} == {control for control, _, _ in MUTATIONS}
