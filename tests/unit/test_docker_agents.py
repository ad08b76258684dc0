"""Agents of a Docker host: what they see beyond their container is listed, read-only, and reviewed."""

from __future__ import annotations

import copy
from datetime import date
from pathlib import Path
from typing import get_args

import pytest

from components.targets.docker.agents import EXCEPTIONS, as_agent, binds, may_be_root, may_see
from components.targets.placement import View
from components.targets.spec import Docker
from ops.verify import broken_controls
from tests.unit.monitoring_samples import described, planned
from tests.unit.test_ops_verify import GOOD

pytestmark = pytest.mark.unit

VIEWS = [view for view in get_args(View) if view not in ("gpu-users", "own-kubelet", "kubelets")]
"""Those that a Docker host has; the others are of a cluster."""

HERE = Docker(kind="docker")


def test_control_71_every_exception_has_a_reason_a_view_and_a_day_that_has_not_come() -> None:
    assert {e.view for e in EXCEPTIONS} == set(VIEWS), "a view without an exception would break no control"
    for exception in EXCEPTIONS:
        assert len(exception.reason) > 40
        assert exception.expires > date.today(), f"decide anew: {exception}"


@pytest.mark.parametrize("view", VIEWS)
def test_control_11_an_agent_sees_named_paths_and_never_a_whole_tree(view: View) -> None:
    seen = [bind.host for bind in binds(view, HERE)]
    assert seen
    assert not {"/", "/etc", "/proc", "/sys", "/var/lib/docker", "/var/run", "/run"} & set(seen)


def test_what_is_no_agent_sees_nothing() -> None:
    assert binds(None, HERE) == []
    assert not may_be_root(None)
    assert not may_see(None, "/var/run/docker.sock")


SOCKET = {"container-engine", "container-restarts"}
"""Both are the engine's socket; what passes it is their proxies' matter."""


def test_paths_are_those_of_the_engine_that_is_described() -> None:
    moved = Docker(kind="docker", host="unix:///run/user/docker.sock", data_root="/data/docker")
    assert [b.host for b in binds("container-engine", moved)] == ["/run/user/docker.sock"]
    assert [b.host for b in binds("container-logs", moved)] == ["/data/docker/containers"]


def test_control_01_root_is_only_who_reads_what_root_alone_may_read(tmp_path: Path) -> None:
    stack = planned(described(tmp_path, {"grafana": None}))
    as_root = {name for name, p in stack.items() if as_agent(p.workload, p.around.view).user == 0}
    assert as_root == {"collector", "engine-api"}


@pytest.mark.parametrize("view", VIEWS)
def test_what_a_view_is_made_of_is_what_it_may_see(view: View) -> None:
    for spec in (HERE, Docker(kind="docker", host="unix:///run/user/1000/docker.sock", data_root="/data/docker")):
        for bind in binds(view, spec):
            assert may_see(view, bind.host)
            others = [other for other in VIEWS if other != view and {view, other} != SOCKET]
            assert not any(may_see(other, bind.host) for other in others)


def test_an_excuse_holds_for_its_controls_and_paths_only() -> None:
    agent = copy.deepcopy(GOOD)
    agent["Config"] |= {"User": "0:0", "Labels": {"slm.workload": "gateway", "slm.view": "container-logs"}}
    logs = {"Type": "bind", "Source": "/var/lib/docker/containers", "Destination": "/logs", "RW": False}
    agent["Mounts"].append(logs)
    assert broken_controls(agent) == []
    for change in ({"RW": True}, {"Source": "/var/lib/docker"}, {"Source": "/var/run/docker.sock"}):
        agent["Mounts"][-1] = logs | change
        assert [found.control for found in broken_controls(agent)] == [11], change
    agent["Mounts"][-1] = logs
    agent["HostConfig"]["ReadonlyRootfs"] = False
    assert [found.control for found in broken_controls(agent)] == [2]
    agent["Config"]["Labels"]["slm.view"] = "of-its-own"
    assert [found.control for found in broken_controls(agent)] == [1, 2, 11]
