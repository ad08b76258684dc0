"""The rehearsal's Kubernetes is a real one: it admits, authenticates, and leaves nothing running."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
from typing import Any

import httpx
import psutil
import pytest
from kubernetes import client

from rehearsal.control_plane import ControlPlane, PortTaken, ProcessEnded
from tests.kubernetes.conftest import (
    TIMING,
    Kube,
    container,
    pod,
    reason,
    running,
)
from tools.installer import Installer

pytestmark = pytest.mark.kubernetes


def test_a_privileged_pod_is_refused_in_the_api_servers_own_words_and_the_evaluators(kube: Kube) -> None:
    wanted = pod("bad")
    wanted["spec"]["containers"] = [container(privileged=True, allowPrivilegeEscalation=True)]
    with pytest.raises(client.ApiException) as refused:
        kube.core.create_namespaced_pod(kube.namespace, wanted)
    assert refused.value.status == 403
    text = reason(refused)
    assert 'violates PodSecurity "restricted:latest": privileged (container "main" must not set' in text
    assert "securityContext.privileged=true)" in text

    question = {"level": "restricted", "version": "latest", "metadata": wanted["metadata"], "spec": wanted["spec"]}
    fine = {**question, "spec": pod("good")["spec"]}
    answers = evaluated(json.dumps(question) + "\n" + json.dumps(fine) + "\n").stdout.splitlines()
    found, good = (json.loads(line) for line in answers)
    assert text.endswith(f'"restricted:latest": {found["message"]}')
    assert [f["reason"] for f in found["forbidden"]] == ["privileged", "allowPrivilegeEscalation != false"]
    assert good == {"allowed": True, "forbidden": [], "message": ""}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"level": "restricted", "version": "v1.34", "spec": {"containers": [], "hostNetwrok": true}}', "hostNetwrok"),
        ('{"level": "strict", "version": "v1.34", "spec": {}}', 'level "strict"'),
        ('{"level": "restricted", "version": "1.34", "spec": {}}', 'version "1.34"'),
        ("not json", "line 1"),
    ],
)
def test_the_evaluator_answers_no_question_that_it_does_not_understand(line: str, told: str) -> None:
    done = evaluated(line + "\n")
    assert done.returncode == 1
    assert told in done.stderr
    assert done.stdout == ""


def evaluated(lines: str) -> subprocess.CompletedProcess[str]:
    program = Installer().folder("pss-evaluator") / "pss-evaluator"
    return subprocess.run([program], input=lines, capture_output=True, text=True)


def test_a_service_accounts_token_is_known_to_the_api_server(kube: Kube, control_plane: ControlPlane) -> None:
    asked = {"spec": {"audiences": None, "expirationSeconds": 600}}
    token = kube.core.create_namespaced_service_account_token("default", kube.namespace, asked).status.token
    review = client.AuthenticationV1Api(kube.api).create_token_review({"spec": {"token": token}})
    assert review.status.authenticated
    assert review.status.user.username == f"system:serviceaccount:{kube.namespace}:default"


def test_who_has_no_certificate_is_not_let_in(control_plane: ControlPlane) -> None:
    context = ssl.create_default_context(cafile=str(control_plane.premises.identity.authority))
    with httpx.Client(verify=context, trust_env=False, timeout=60) as stranger:
        assert stranger.get(f"{control_plane.server}/api/v1/namespaces").status_code == 401


def test_its_port_cannot_be_had_twice(control_plane: ControlPlane) -> None:
    second = ControlPlane(port=control_plane.premises.ports.api)
    with pytest.raises(PortTaken, match="cannot be had for the API server"):
        second.start()
    assert second.processes == []


class Inside(Exception):
    """Raised in a block, by a test."""


def test_a_process_that_dies_is_noticed_and_an_error_inside_leaves_nothing_running() -> None:
    plane = ControlPlane(timing=TIMING)
    seen: list[Any] = []

    def block() -> None:
        with plane:
            seen.extend([[psutil.Process(process.pid) for process in plane.processes], plane.premises.folder])
            assert len(running(seen[0])) == 5
            scheduler = next(p for p in plane.processes if p.name == "kube-scheduler")
            os.kill(scheduler.pid, signal.SIGKILL)
            scheduler.popen.wait(60)
            with pytest.raises(ProcessEnded, match=r"kube-scheduler ended by itself \(exit code -9\)"):
                plane.check()
            raise Inside

    with pytest.raises(Inside):
        block()
    assert running(seen[0]) == []
    assert not seen[1].exists()
