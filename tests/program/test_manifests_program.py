"""What Pulumi is told to send is what the checks of manifests look at, object by object, secrets left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.manifests import manifests
from components.monitoring.grafana import SECRETS as GRAFANA_SECRETS
from components.program import managed
from components.targets.kubernetes.names import Manifest
from tests.kubernetes.rendered import MONITORING, images, on_cluster, stack
from tests.program.aks_recorder import AksRecorder
from tests.program.conftest import Run
from tests.program.recorder import Recorder, is_secret

pytestmark = pytest.mark.program

KUBECONFIG = {
    "current-context": "edge",
    "contexts": [{"name": "edge", "context": {"cluster": "edge"}}],
    "clusters": [{"name": "edge", "cluster": {"server": "https://192.0.2.7:6443"}}],
}
SECRETS = {"webui-api-key": "slm-" + "w" * 43, "webui-admin-password": "pass-" + "p" * 20, "webui-secret-key": "s" * 64}
PAGES = {name: "p" * 40 for name in GRAFANA_SECRETS.values()}
TLS = {"slm:cert": "c" * 40, "slm:cert-key": "k" * 40}
FORWARD = {"slm:metrics-token": "t" * 40}


def sent(recorder: Recorder) -> dict[str, Manifest]:
    """The Kubernetes objects that were registered, by kind, namespace and name."""
    found = {}
    for name, inputs in recorder.inputs.items():
        if recorder.types[name].startswith("kubernetes:"):
            found[place(inputs)] = inputs
    return found


def place(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    return f"{manifest['kind']}/{metadata.get('namespace', '')}/{metadata['name']}"


def comparable(manifest: Manifest) -> Any:
    """Without what only a deployment knows: contents of secrets and what tells that they changed, ids of identities."""
    one = json.loads(json.dumps(manifest, default=str))
    if one["kind"] == "Secret":
        one["data"] = sorted(one["data"]["value"] if is_secret(one["data"]) else one["data"])
    if one["kind"] == "SecretProviderClass":
        one["spec"]["parameters"] = sorted(one["spec"]["parameters"])
    one["metadata"].pop("uid", None)  # Azure's side of the mocks gives one
    template = one.get("spec", {}).get("template", {}).get("metadata", {})
    template.get("annotations", {}).pop("slm.files/revision", None)
    if not template.get("annotations", True):
        del template["annotations"]
    return numbers(one)


def numbers(value: Any) -> Any:
    """Pulumi's wire has one kind of number."""
    if isinstance(value, dict):
        return {key: numbers(below) for key, below in value.items()}
    if isinstance(value, list):
        return [numbers(below) for below in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def same(recorder: Recorder, rendered: list[Manifest]) -> None:
    told, there = {place(one): one for one in rendered}, sent(recorder)
    assert len(told) > 25
    assert set(there) == set(told)
    for name, one in told.items():
        assert comparable(there[name]) == comparable(one), name


@pytest.mark.parametrize("name", ["engines", "copies"])
def test_a_stack_on_a_cluster_is_sent_as_it_is_rendered(run_program: Run, tmp_path: Path, name: str) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(KUBECONFIG))
    sections = on_cluster(name)
    sections["targets"]["laptop"] = {**sections["targets"]["laptop"], "kubeconfig": str(file)}
    config = {f"slm:{key}": json.dumps(value) for key, value in sections.items()}
    held = {"slm:webuiSecrets": json.dumps(SECRETS), "slm:monitoringSecrets": json.dumps(PAGES)}
    recorder = run_program("dev", config={**config, **held, **TLS, **FORWARD})
    whole = stack(name)
    same(recorder, manifests(whole.settings, whole.site, "dev"))


def test_the_production_stack_which_azure_watches_is_sent_as_it_is_rendered(
    run_program: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.program.conftest.Recorder", AksRecorder)
    recorder = run_program("prod", config={"slm:images": json.dumps(images(**MONITORING))})
    assert isinstance(recorder, AksRecorder)
    same(recorder, stack("prod").all)
    told = managed(stack("prod").settings, "cloud", "prod")
    assert told
    assert len(recorder.of_type(":PrometheusRuleGroup")) == len(told.groups)
