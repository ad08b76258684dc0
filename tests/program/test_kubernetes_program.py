"""A stack on a Kubernetes cluster as Pulumi sees it: a tidy tree, an order, one provider, no secret in the clear."""

from __future__ import annotations

import json
import resource
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.gateway import key_map
from tests.program.conftest import KEYS, Run
from tests.program.recorder import Recorder, Seen, is_secret

pytestmark = pytest.mark.program

KUBECONFIG = {
    "current-context": "edge",
    "contexts": [{"name": "edge", "context": {"cluster": "k3s"}}],
    "clusters": [{"name": "k3s", "cluster": {"server": "https://192.0.2.7:6443"}}],
}
IMAGES = {role: f"docker.io/slm/{role}:1.0.0@sha256:{'a' * 64}" for role in ("fetch", "convert")}
SECRETS = {"webui-api-key": "slm-" + "w" * 43, "webui-admin-password": "pass-" + "p" * 20, "webui-secret-key": "s" * 64}
POOLS = {"gpu": {"gpus": 1, "max_nodes": 2, "taints": [{"key": "sku", "value": "gpu"}]}}


@pytest.fixture
def on_cluster(run_program: Run, tmp_path: Path) -> Run:
    """Runs the dev stack with its target on a cluster; `engines`, `gateway`, `webui` and `target` are laid over it."""
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(KUBECONFIG))

    def run(
        target: dict[str, Any] | None = None,
        webui: dict[str, Any] | None = None,
        secrets: dict[str, str] = SECRETS,
        **sections: dict[str, Any],
    ) -> Recorder:
        cluster = {"kind": "kubernetes", "kubeconfig": str(file), "pools": POOLS, **(target or {})}
        images = {**IMAGES, "webui": f"ghcr.io/open-webui/open-webui:v0.12.4@sha256:{'b' * 64}"}
        config = {
            "slm:targets": json.dumps({"laptop": cluster}),
            "slm:images": json.dumps({**images, **sections.pop("images", {})}),
            "slm:security": json.dumps({"allow_registries": ["docker.io", "ghcr.io"]}),
            **{f"slm:{name}": json.dumps(section) for name, section in sections.items()},
            "slm:cert": "c" * 40,
            "slm:cert-key": "k" * 40,
        }
        if webui is not None:
            config |= {"slm:webui": json.dumps({"target": "laptop", **webui}), "slm:webuiSecrets": json.dumps(secrets)}
        return run_program(config=config)

    return run


def of_kind(recorder: Recorder, kind: str) -> dict[str, dict[str, Any]]:
    """Inputs of all resources whose type ends in `kind`, by their names."""
    return {n: i for n, i in recorder.inputs.items() if recorder.types[n].endswith(f":{kind}")}


def seen(recorder: Recorder, name: str) -> Seen:
    [found] = [s for s in recorder.seen if s.name == name]
    return found


def waits_for(recorder: Recorder, name: str) -> set[str]:
    """Names of all resources that must be there before this one, directly or through others."""
    depends = {s.name: [getattr(d, "_name", "") for d in s.options.depends_on or []] for s in recorder.seen}
    found: set[str] = set()
    open_ = list(depends[name])
    while open_:
        if (one := open_.pop()) not in found:
            found.add(one)
            open_ += depends.get(one, [])
    return found


def test_the_stack_is_an_engine_and_a_gateway_in_one_namespace(on_cluster: Run) -> None:
    recorder = on_cluster()
    assert {s.type for s in recorder.seen if s.is_component} >= {
        "slm:target:kubernetes",
        "slm:engine:ollama",
        "slm:gateway:haproxy",
    }
    assert set(of_kind(recorder, "Deployment")) == {"chat-deployment", "gateway-deployment"}
    assert set(of_kind(recorder, "Job")) == {"chat-fetch-job", "chat-import-job"}
    namespaced = [i["metadata"].get("namespace", "slm") for i in recorder.inputs.values() if "metadata" in i]
    assert len(namespaced) > 20
    assert set(namespaced) == {"slm"}


def test_no_resource_is_an_orphan(on_cluster: Run) -> None:
    components = {"slm:target:kubernetes", "slm:engine:ollama", "slm:gateway:haproxy", "slm:webui:openwebui"}
    for one in on_cluster(webui={}).seen:
        if one.is_provider:
            assert one.parent_type is None, "the way to the cluster is the stack's own"
        elif not one.is_component:
            assert one.parent_type in components, f"{one.type} {one.name} hangs below {one.parent_type}"


def test_type_name_and_parent_type_together_are_unique(on_cluster: Run) -> None:
    engines = {"a": {"kind": "ollama", "target": "laptop", "model": "phi4-mini"}}
    recorder = on_cluster(webui={}, engines=engines)
    twice = [k for k, n in Counter((s.type, s.name, s.parent_type) for s in recorder.seen).items() if n > 1]
    assert twice == [], "Pulumi would refuse two resources with the same URN"


def test_control_69_every_resource_has_the_clusters_own_provider(on_cluster: Run) -> None:
    recorder = on_cluster(webui={})
    providers = {s.options.provider for s in recorder.seen if not s.is_component and not s.is_provider}
    assert len(providers) == 1
    assert None not in providers
    inputs = recorder.inputs["laptop-kubernetes"]
    assert inputs["kubeconfig"].endswith("/kubeconfig"), "a path: what opens the cluster is not in the state"
    assert inputs["clusterIdentifier"] == "https://192.0.2.7:6443"
    switched_on = ("enableSecretMutable", "upsertExistingObjects", "enablePatchForce")
    assert [inputs[name] for name in switched_on] == ["true", "true", "true"]


def test_every_object_has_an_explicit_name(on_cluster: Run) -> None:
    for name, inputs in on_cluster(webui={}).inputs.items():
        assert "metadata" not in inputs or inputs["metadata"].get("name"), name


def test_pods_come_after_namespace_denials_weights_and_files(on_cluster: Run) -> None:
    recorder = on_cluster()
    before = waits_for(recorder, "chat-deployment")
    assert before >= {
        "laptop-namespace", "laptop-default-deny", "laptop-dns", "laptop-serving", "to-chat-policy",
        "from-gateway-to-chat-policy", "chat-account", "chat-files", "ollama-1d9614638d18-claim", "chat-fetch-job",
        "chat-import-job",
    }  # fmt: skip
    assert "chat-fetch-job" in waits_for(recorder, "chat-import-job"), "jobs of a volume run in their order"
    assert "from-chat-fetch-outside-policy" in waits_for(recorder, "chat-fetch-job")
    for one in recorder.seen:
        if "metadata" in recorder.inputs.get(one.name, {}) and one.name != "laptop-namespace":
            assert "laptop-namespace" in waits_for(recorder, one.name), one.name


def test_nobody_waits_for_a_service_that_waits_for_pods(on_cluster: Run) -> None:
    recorder = on_cluster()
    assert "chat-service" not in waits_for(recorder, "chat-deployment")
    for name, inputs in of_kind(recorder, "Service").items():
        assert inputs["metadata"]["annotations"]["pulumi.com/skipAwait"] == "true", name


def test_deploying_waits_longer_than_an_engine_may_take_to_start(on_cluster: Run) -> None:
    recorder = on_cluster(engines={"chat": {"startup": 3600}})
    timeouts = seen(recorder, "chat-deployment").options.custom_timeouts
    assert timeouts is not None
    assert int(timeouts.create.rstrip("s")) > 3600 + 900
    assert timeouts.create == timeouts.update
    assert int(timeouts.delete.rstrip("s")) > 145
    job = seen(recorder, "chat-fetch-job").options.custom_timeouts
    deadline = recorder.inputs["chat-fetch-job"]["spec"]["activeDeadlineSeconds"]
    assert job is not None
    assert int(job.create.rstrip("s")) > deadline


def test_a_job_runs_again_on_another_volume_of_the_same_name(on_cluster: Run) -> None:
    options = seen(on_cluster(), "chat-fetch-job").options
    assert options.replacement_trigger is not None
    assert options.delete_before_replace is True


@pytest.mark.parametrize("keep", [True, False])
def test_control_67_weights_and_chats_survive_a_teardown_unless_told_otherwise(on_cluster: Run, keep: bool) -> None:
    recorder = on_cluster(target={"keep_volumes": keep}, webui={})
    kept = {s.name for s in recorder.seen if s.options.retain_on_delete}
    assert kept == ({"laptop-namespace", "ollama-1d9614638d18-claim"} if keep else set())
    policy = recorder.inputs["webui-statefulset"]["spec"]["persistentVolumeClaimRetentionPolicy"]
    assert policy["whenDeleted"] == ("Retain" if keep else "Delete")


def test_control_16_no_input_holds_a_key_and_what_is_made_of_keys_is_secret(on_cluster: Run) -> None:
    recorder = on_cluster(webui={})
    text = json.dumps(recorder.inputs, default=str)
    assert KEYS["key-1"] not in text
    for value in SECRETS.values():
        assert value not in text
    for name, files in (("gateway", {"keys.map"}), ("webui", {"api-key", "admin-password", "secret-key"})):
        data = recorder.inputs[f"{name}-secrets"]["data"]
        assert is_secret(data) or all(is_secret(data[file]) for file in files)
    digests = key_map({**KEYS, "webui": SECRETS["webui-api-key"]}).split()[0]
    assert digests not in text, "digests are in base64, inside a secret"


def test_changed_keys_change_no_pod_of_the_gateway_and_start_a_page_anew(on_cluster: Run) -> None:
    recorder = on_cluster(webui={})
    assert "annotations" not in recorder.inputs["gateway-deployment"]["spec"]["template"]["metadata"]
    template = recorder.inputs["webui-statefulset"]["spec"]["template"]
    revision = template["metadata"]["annotations"]["slm.files/revision"]
    assert len(revision) == 16
    other = on_cluster(webui={}, secrets={**SECRETS, "webui-secret-key": "t" * 64})
    template = other.inputs["webui-statefulset"]["spec"]["template"]
    assert template["metadata"]["annotations"]["slm.files/revision"] != revision


def test_the_gateway_looks_engines_up_by_their_full_names(on_cluster: Run) -> None:
    recorder = on_cluster(engines={"chat": {"replicas": 2}}, target={"storage_access": "ReadWriteMany"})
    config = recorder.inputs["gateway-files"]["data"]["haproxy.cfg"]
    assert "server-template chat 3 chat.slm.svc.cluster.local:11434 maxconn" in config
    assert "parse-resolv-conf" in config
    assert "127.0.0.11" not in config


def test_without_a_load_balancer_the_endpoint_is_this_machines_end_of_a_port_forward(on_cluster: Run) -> None:
    recorder = on_cluster()
    assert recorder.outputs["endpoint"] == "http://127.0.0.1:8080/v1"
    assert "address" not in recorder.outputs
    assert not [i for i in of_kind(recorder, "Service").values() if i["spec"]["type"] != "ClusterIP"]


def test_behind_a_load_balancer_the_endpoint_is_the_name_clients_use(on_cluster: Run) -> None:
    recorder = on_cluster(
        target={"exposure": "internal"},
        gateway={
            "hosts": ["localhost", "slm.example.org"],
            "port": 443,
            "tls": {"certificate": "cert", "key": "cert-key"},
        },
    )
    assert recorder.outputs["endpoint"] == "https://slm.example.org/v1"
    assert "address" in recorder.outputs
    assert "gateway-deployment" in waits_for(recorder, "gateway-outside")


def test_images_that_only_this_machine_knows_are_refused_in_a_sentence(on_cluster: Run) -> None:
    with pytest.raises(pulumi.RunError, match=r"image 'fetch'.*registry"):
        on_cluster(images={"fetch": "sha256:" + "c" * 64})


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read"),
        ("a: [", "is no YAML"),
        ("{}", "no current context"),
        ('{"current-context": "x", "contexts": [{"name": "edge"}]}', "no context 'x' — use one of: edge"),
        ('{"current-context": "edge", "contexts": [{"name": "edge"}]}', "names no cluster"),
    ],
)
def test_a_kubeconfig_that_leads_nowhere_is_told_in_a_sentence(
    on_cluster: Run, tmp_path: Path, content: str | None, told: str
) -> None:
    file = tmp_path / "other"
    if content is not None:
        file.write_text(content)
    with pytest.raises(pulumi.RunError, match=told):
        on_cluster(target={"kubeconfig": str(file)})


@pytest.mark.alone
def test_a_hundred_engines_take_time_and_memory_in_proportion(on_cluster: Run) -> None:
    def took(count: int) -> float:
        engines = {
            f"engine-{n}": {
                "kind": "llamacpp",
                "target": "laptop",
                "model": "qwen2.5-coder-0.5b-instruct",
                "served_model_name": f"model-{n}",
            }
            for n in range(count)
        }
        # The processor's time, which a busy machine does not make longer.
        begin = time.process_time()
        recorder = on_cluster(engines=engines, target={"storage_access": "ReadWriteMany"})
        assert len(of_kind(recorder, "Deployment")) == count + 2
        return time.process_time() - begin

    ten, hundred = took(10), took(100)
    assert hundred < 30
    assert hundred < 20 * ten, "ten times as many take ten times as long, and not a hundred times"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2 * 1024 * 1024, "2 GiB"
