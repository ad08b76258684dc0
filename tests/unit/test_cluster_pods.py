"""What a person reads of pods that did not become ready."""

from __future__ import annotations

from types import SimpleNamespace as Made
from typing import Any

import pytest

from components.targets.spec import Kubernetes
from ops.cluster_pods import sentences, told

pytestmark = pytest.mark.unit


def condition(kind: str, status: str, reason: str = "", message: str = "") -> Made:
    return Made(type=kind, status=status, reason=reason, message=message)


def container(*, waiting: Made | None = None, ended: Made | None = None) -> Made:
    return Made(name="chat", state=Made(waiting=waiting, terminated=None), last_state=Made(terminated=ended))


def pod(*conditions: Made, containers: tuple[Made, ...] = (), phase: str = "Pending") -> Made:
    status = Made(phase=phase, conditions=conditions, init_container_statuses=None, container_statuses=containers)
    return Made(metadata=Made(name="chat-1", uid="u"), status=status)


def warning(message: str, uid: str = "u", kind: str = "Warning") -> Made:
    return Made(type=kind, reason="FailedMount", message=message, involved_object=Made(uid=uid))


PLACED = condition("PodScheduled", "True")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            pod(condition("PodScheduled", "False", "Unschedulable", "0/3 nodes are available:\n 3 have no GPU.")),
            "Unschedulable: 0/3 nodes are available: 3 have no GPU.",
        ),
        (
            pod(PLACED, containers=(container(waiting=Made(reason="ImagePullBackOff", message="not found")),)),
            "chat waits: ImagePullBackOff not found",
        ),
        (
            pod(PLACED, containers=(container(ended=Made(exit_code=137, reason="OOMKilled", message=None)),)),
            "chat ended with exit code 137 (OOMKilled)",
        ),
        (
            pod(PLACED, containers=(container(waiting=Made(reason="ContainerCreating", message=None)),)),
            "FailedMount: no such secret",
        ),
    ],
)
def test_each_cause_is_told_in_the_clusters_words(found: Any, words: str) -> None:
    events = [warning("of another pod", uid="x"), warning("no such secret"), warning("pulled", kind="Normal")]
    assert list(sentences([found], events)) == [f"pod chat-1: {words}"]


def test_pods_that_are_ready_or_done_are_not_mentioned() -> None:
    ready, done = pod(condition("Ready", "True"), phase="Running"), pod(phase="Succeeded")
    assert list(sentences([ready, done], [])) == []


def test_a_cluster_that_cannot_be_asked_says_nothing(tmp_path: Any) -> None:
    missing = Kubernetes(kubeconfig=str(tmp_path / "nothing"))
    assert told(missing) == []
    unreachable = tmp_path / "kubeconfig"
    unreachable.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]\n"
        "users: [{name: u, user: {}}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
    )
    assert told(Kubernetes(kubeconfig=str(unreachable))) == []
