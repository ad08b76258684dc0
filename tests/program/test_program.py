"""The program as Pulumi sees it: a tidy tree, explicit providers, hardened inputs, no secret in the clear."""

from __future__ import annotations

import json
from collections import Counter

import pulumi
import pytest

from components.catalog import catalog
from tests.program.aks_recorder import AksRecorder
from tests.program.conftest import IMAGES, KEYS, Run
from tests.program.recorder import Recorder, is_secret

pytestmark = pytest.mark.program
PULLED = json.dumps({role: f"docker.io/slm/{role}:1@sha256:{'f' * 64}" for role in ("fetch", "ollama-exporter")})
"""A site's own images as a registry has them."""

CONTAINER = "docker:index/container:Container"


def containers(recorder: Recorder) -> dict[str, dict]:  # type: ignore[type-arg]
    return {n: i for n, i in recorder.inputs.items() if recorder.types[n] == CONTAINER and i.get("start", True)}


def test_the_dev_stack_is_an_engine_and_a_gateway_on_one_docker_host(run_program: Run) -> None:
    recorder = run_program()
    assert {s.type for s in recorder.seen if s.is_component} >= {
        "slm:target:docker",
        "slm:engine:ollama",
        "slm:gateway:haproxy",
    }
    assert set(containers(recorder)) == {"chat-container", "gateway-container"}


def test_no_resource_is_an_orphan(run_program: Run) -> None:
    components = {"slm:target:docker", "slm:engine:ollama", "slm:gateway:haproxy", "pulumi:pulumi:Stack"}
    for seen in run_program().seen:
        if not seen.is_component:
            assert seen.parent_type in components, f"{seen.type} {seen.name} hangs below {seen.parent_type}"


def test_type_name_and_parent_type_together_are_unique(run_program: Run) -> None:
    twice = [k for k, n in Counter((s.type, s.name, s.parent_type) for s in run_program().seen).items() if n > 1]
    assert twice == [], "Pulumi would refuse two resources with the same URN"


def test_control_69_every_resource_has_an_explicit_provider(run_program: Run) -> None:
    for seen in run_program().seen:
        if not seen.is_component and not seen.is_provider:
            assert seen.options.provider is not None, f"{seen.name} would use a default provider"


def test_control_09_only_the_gateway_is_published_and_on_loopback(run_program: Run) -> None:
    published = {name: inputs["ports"] for name, inputs in containers(run_program()).items() if inputs.get("ports")}
    assert list(published) == ["gateway-container"]
    assert [(p["ip"], p["external"]) for p in published["gateway-container"]] == [("127.0.0.1", 8080)]


def test_control_10_the_engine_is_on_the_internal_network_only(run_program: Run) -> None:
    recorder = run_program()
    networks = {n: i for n, i in recorder.inputs.items() if recorder.types[n] == "docker:index/network:Network"}
    assert networks["laptop-internal"]["internal"] is True
    assert [a["name"] for a in recorder.inputs["chat-container"]["networksAdvanced"]] == ["slm-dev-internal"]
    options = networks["laptop-published"]["options"]
    assert options == {"com.docker.network.bridge.enable_ip_masquerade": "false"}, "the gateway needs no way out"


def test_control_16_no_input_holds_a_key_and_the_files_with_digests_are_secret(run_program: Run) -> None:
    recorder = run_program()
    assert KEYS["key-1"] not in json.dumps(recorder.inputs, default=str)
    uploads = recorder.inputs["gateway-files"]["uploads"]
    uploads = uploads["value"] if is_secret(uploads) else uploads
    by_file = {u["file"]: u["content"] for u in uploads}
    assert is_secret(recorder.inputs["gateway-files"]["uploads"]) or is_secret(by_file["/etc/slm/keys.map"])


def test_secret_and_config_files_are_readable_by_their_owner_only(run_program: Run) -> None:
    recorder = run_program()
    for name in ("chat-files", "gateway-files"):
        uploads = recorder.inputs[name]["uploads"]
        uploads = uploads["value"] if is_secret(uploads) else uploads
        assert {u["permissions"] for u in uploads} == {"0400"}, name


def test_the_serving_engine_mounts_its_weights_read_only(run_program: Run) -> None:
    volumes = run_program().inputs["chat-container"]["volumes"]
    assert {v["containerPath"]: v["readOnly"] for v in volumes} == {"/models": True, "/etc/slm": True}


def test_weights_survive_a_teardown_and_files_do_not(run_program: Run) -> None:
    kept = {s.name: s.options.retain_on_delete for s in run_program().seen if s.type == "docker:index/volume:Volume"}
    assert {name: bool(value) for name, value in kept.items()} == {
        "ollama-1d9614638d18-volume": True,
        "chat-files-volume": False,
        "gateway-files-volume": False,
    }


def test_images_this_site_built_are_used_by_their_id_and_never_pulled(run_program: Run) -> None:
    recorder = run_program()
    assert "docker:index/remoteImage:RemoteImage" not in recorder.types.values()
    assert recorder.inputs["chat-container"]["image"] == IMAGES["ollama"]


def test_images_of_a_registry_are_pulled_by_digest(run_program: Run) -> None:
    reference = catalog().images["ollama"].pinned
    assert reference is not None
    recorder = run_program(config={"slm:images": json.dumps({**IMAGES, "ollama": reference})})
    assert recorder.inputs["chat-image"]["name"] == reference
    assert recorder.inputs["chat-image"]["keepLocally"] is True


def test_a_health_check_change_replaces_the_container_because_docker_ignores_it_otherwise(run_program: Run) -> None:
    options = [s.options for s in run_program().seen if s.name.endswith("-container")]
    assert all("healthcheck" in (o.replace_on_changes or []) for o in options)
    assert all(o.delete_before_replace for o in options)


def test_bad_configuration_ends_the_program_with_a_sentence(run_program: Run) -> None:
    with pytest.raises(pulumi.RunError, match="did you mean 'targets'"):
        run_program(config={"slm:target": "{}"})


def test_a_fleet_is_no_stack_and_says_so(run_program: Run) -> None:
    with pytest.raises(pulumi.RunError, match="it describes a fleet of 3 hosts"):
        run_program("edge")


def test_images_of_this_machine_are_refused_where_nodes_pull_from_a_registry(run_program: Run) -> None:
    with pytest.raises(pulumi.RunError, match="image 'fetch' is known to this machine's Docker engine only"):
        run_program("prod")


def test_the_committed_production_stack_is_declared_whole(run_program: Run) -> None:
    recorder = run_program("prod", {"slm:images": PULLED}, recorder=AksRecorder())
    assert {s.type for s in recorder.seen if s.is_component} >= {
        "slm:target:aks",
        "slm:target:kubernetes",
        "slm:engine:ollama",
        "slm:gateway:haproxy",
        "slm:monitoring:azure-managed",
    }
    spec = recorder.inputs["chat-deployment"]["spec"]["template"]["spec"]
    assert spec["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert recorder.types["gateway-vault"] == "kubernetes:secrets-store.csi.x-k8s.io/v1:SecretProviderClass"
    assert not [n for n, t in recorder.types.items() if t.endswith(":Secret") and t.startswith("kubernetes")]
    assert recorder.outputs["endpoint"] == "https://slm.example.com/v1"
    for seen in recorder.seen:
        if not seen.is_component and not seen.is_provider:
            assert seen.options.provider is not None, f"{seen.name} would use a default provider"


def test_control_63_production_is_not_updated_with_state_on_one_machine(
    run_program: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "file:///srv/state")
    recorder = AksRecorder()
    with pytest.raises(pulumi.RunError, match=r"on this machine alone.*Nothing was changed"):
        run_program("prod", {"slm:images": PULLED}, recorder=recorder)
    assert not recorder.seen


def test_an_engine_with_gpus_asks_the_docker_engine_for_that_many(run_program: Run) -> None:
    recorder = run_program(
        config={
            "slm:targets": json.dumps({"laptop": {"gpus": 1}}),
            "slm:engines": json.dumps({"chat": {"gpus": 1}}),
        }
    )
    assert recorder.inputs["chat-container"]["deviceRequests"] == [
        {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    ]
    assert "deviceRequests" not in recorder.inputs["gateway-container"]


T4 = {"laptop": {"gpus": 1, "gpu": "T4", "memory_gib": 28}}


def test_what_cannot_fit_fails_the_preview_with_the_numbers(run_program: Run) -> None:
    engines = {"chat": {"model": "phi4-mini", "gpus": 1, "context_length": 32_768}}
    with pytest.raises(pulumi.RunError, match=r"GiB of GPU memory, and there are 14\.6.*fits 2[0-9]k context on a T4"):
        run_program(config={"slm:targets": json.dumps(T4), "slm:engines": json.dumps(engines)})


def test_what_fits_tightly_is_a_warning(run_program: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi, "warn", lambda text, *_: said.append(text))
    engines = {"chat": {"model": "phi4-mini", "gpus": 1, "context_length": 22_000}}
    recorder = run_program(config={"slm:targets": json.dumps(T4), "slm:engines": json.dumps(engines)})
    assert "chat-container" in recorder.inputs
    assert len(said) == 1
    assert "which is tight" in said[0]
