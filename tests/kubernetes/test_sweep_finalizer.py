"""A review stack on a cluster with an object that is not let go of: a person is told which, and then it goes."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from kubernetes import client

from ops.review.rules import Rules
from ops.sweep.backend import opened
from ops.sweep.remove import Outcome, Remover
from ops.sweep.stack import Found
from rehearsal.control_plane import ControlPlane
from tests.docker.sweep_states import MAGIC, WRITER
from tests.kubernetes.conftest import Kube

pytestmark = pytest.mark.kubernetes
STACK = "pr-990301"
PATIENCE = 10
"""Seconds until the plugin gives up waiting for the object's end."""


def state(kubeconfig: Path, namespace: str) -> str:
    """A state that holds one object of the cluster."""
    provider = f"urn:pulumi:{STACK}::slm::pulumi:providers:kubernetes::cluster"
    metadata = {"name": "stuck", "namespace": namespace}
    inputs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}}
    known = {"kubeconfig": kubeconfig.read_text(), "version": "4.34.2"}
    rows = [
        {"urn": provider, "custom": True, "id": "one", "type": "pulumi:providers:kubernetes", "inputs": known,
         "outputs": known},
        {"urn": f"urn:pulumi:{STACK}::slm::kubernetes:core/v1:ConfigMap::stuck", "custom": True,
         "id": f"{namespace}/stuck", "type": "kubernetes:core/v1:ConfigMap", "inputs": inputs, "outputs": inputs,
         "provider": f"{provider}::one", "customTimeouts": {"delete": PATIENCE}},
    ]  # fmt: skip
    manifest = {"time": datetime.now(UTC).isoformat(), "magic": MAGIC, "version": WRITER}
    return json.dumps({"version": 3, "deployment": {"manifest": manifest, "resources": rows}})


def test_an_object_whose_finalizer_nobody_ends_is_named_and_goes_when_somebody_has(
    control_plane: ControlPlane, kube: Kube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "test")
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    core = client.CoreV1Api(kube.api)
    held = client.V1ObjectMeta(name="stuck", finalizers=["example.com/never"])
    core.create_namespaced_config_map(kube.namespace, client.V1ConfigMap(metadata=held, data={"a": "b"}))
    (tmp_path / ".slm/state").mkdir(parents=True)

    with opened(tmp_path) as backend:

        def pulumi(*arguments: str, stdin: str | None = None) -> None:
            command = ["pulumi", *arguments, "-s", STACK, "--non-interactive"]
            environment = {**os.environ, **backend.environment(STACK)}
            done = subprocess.run(
                command, cwd=backend.folder, env=environment, input=stdin, capture_output=True, text=True, timeout=240
            )
            assert done.returncode == 0, done.stderr

        def remove() -> Outcome:
            return Remover(backend, Rules()).remove(Found(name=STACK))

        pulumi("stack", "init")
        pulumi("stack", "import", "--force", stdin=state(control_plane.kubeconfig, kube.namespace))
        told = "\n".join(remove().todo)
        assert "finalizer" in told, told
        assert f"still there: kubernetes:core/v1:ConfigMap stuck in namespace {kube.namespace}" in told
        core.patch_namespaced_config_map("stuck", kube.namespace, {"metadata": {"finalizers": None}})
        outcome = remove()
        assert outcome.todo == []
    assert core.list_namespaced_config_map(kube.namespace, field_selector="metadata.name=stuck").items == []
    assert not list((tmp_path / ".slm/state").rglob(f"{STACK}*.json"))
