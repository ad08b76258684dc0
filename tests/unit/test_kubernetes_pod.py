"""What every pod is held to: one test for each control, and each field of a workload arrives where it belongs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.targets.kubernetes.controllers import controller, job
from components.targets.kubernetes.names import Manifest
from components.targets.kubernetes.namespace import namespace, priority_classes
from components.targets.kubernetes.probes import literal
from components.targets.kubernetes.security import service_account
from components.targets.kubernetes.site import NodePool
from components.targets.placement import Exposure, Scale, Surroundings, UnsupportedError
from components.workload import Resources, SecretFile, Workload
from tests.unit.kubernetes_samples import GPU_POOL, IMAGE, names, page, pod_specs, service, stack, weights
from tests.unit.kubernetes_samples import job as a_job

pytestmark = pytest.mark.unit


def pod(workload: Workload, around: Surroundings | None = None, **more: object) -> Manifest:
    spec: Manifest = controller(workload, around or Surroundings(), names(**more))["spec"]["template"]["spec"]
    return spec


def container(workload: Workload, **more: object) -> Manifest:
    [found] = pod(workload, **more)["containers"]
    assert isinstance(found, dict)
    return found


def job_pod(**more: object) -> Manifest:
    made = job(a_job(**more), service(), weights(), names())
    spec: Manifest = made["spec"]["template"]["spec"]
    return spec


@pytest.fixture(params=["chat", "page", "job", "stack"])
def specs(request: pytest.FixtureRequest, tmp_path: Path) -> list[Manifest]:
    """Pods of a service, of one with storage of its own, of a job, and of a whole stack."""
    if request.param == "stack":
        found = [template["spec"] for template in pod_specs(stack(tmp_path)).values()]
        assert len(found) > 6
        return found
    return [{"chat": pod(service()), "page": pod(page()), "job": job_pod()}[request.param]]


def test_control_22_the_namespace_refuses_pods_that_are_not_restricted_in_a_pinned_version() -> None:
    labels = namespace(names(pod_security_version="v1.33"))["metadata"]["labels"]
    for mode in ("enforce", "audit", "warn"):
        assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"
        assert labels[f"pod-security.kubernetes.io/{mode}-version"] == "v1.33"


def test_control_23_no_pod_runs_as_root_or_could_become_it(specs: list[Manifest]) -> None:
    for spec in specs:
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers", "shareProcessNamespace"} & spec.keys()
        for one in spec["containers"]:
            context = one["securityContext"]
            assert context["runAsNonRoot"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["privileged"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert context["seccompProfile"] == {"type": "RuntimeDefault"}


def test_control_24_the_root_file_system_is_read_only(specs: list[Manifest]) -> None:
    for spec in specs:
        for one in spec["containers"]:
            assert one["securityContext"]["readOnlyRootFilesystem"] is True


def test_control_25_a_pod_runs_as_the_workloads_user_and_group_which_may_read_its_volumes() -> None:
    context = pod(service())["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"], context["fsGroup"]) == (10002, 10003, 10003)
    assert context["fsGroupChangePolicy"] == "OnRootMismatch"


def test_control_26_no_pod_gets_a_token_and_each_workload_has_an_identity_of_its_own(specs: list[Manifest]) -> None:
    for spec in specs:
        assert spec["automountServiceAccountToken"] is False
        assert spec["serviceAccountName"] == spec["containers"][0]["name"]
    account = service_account(service(), names())
    assert account["automountServiceAccountToken"] is False
    assert account["metadata"]["name"] == "chat"


def test_control_27_services_do_not_become_variables(specs: list[Manifest]) -> None:
    assert all(spec["enableServiceLinks"] is False for spec in specs)


def test_control_28_everything_is_requested_and_limited(specs: list[Manifest]) -> None:
    for spec in specs:
        for one in spec["containers"]:
            requests, limits = one["resources"]["requests"], one["resources"]["limits"]
            assert requests.keys() == limits.keys() >= {"cpu", "memory", "ephemeral-storage"}
            assert {k: v for k, v in requests.items() if k != "ephemeral-storage"} == {
                k: v for k, v in limits.items() if k != "ephemeral-storage"
            }


def test_memory_counts_what_is_written_into_memory() -> None:
    limits = container(service())["resources"]["limits"]
    assert limits["memory"] == "1157Mi", "1000 of its own, 100 shared, 57 of scratch"
    assert limits["cpu"] == "1500m"
    assert limits["ephemeral-storage"] == "1Gi"


def test_control_28_gpus_are_requested_and_limited_alike_and_lead_to_their_pool() -> None:
    spec = pod(service(gpus=1))
    resources = spec["containers"][0]["resources"]
    assert resources["requests"]["nvidia.com/gpu"] == resources["limits"]["nvidia.com/gpu"] == "1"
    assert spec["nodeSelector"] == {"kubernetes.io/os": "linux", "slm-pool": "gpu"}
    assert spec["tolerations"] == [{"key": "sku", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"}]
    assert "nvidia.com/gpu" not in pod(service())["containers"][0]["resources"]["limits"]
    assert "tolerations" not in pod(service())


def test_a_gpu_may_have_another_name_and_need_a_runtime_of_its_own() -> None:
    mig = NodePool(name="mig", gpus=7, gpu_resource="nvidia.com/mig-1g.10gb", runtime_class="nvidia")
    spec = pod(service(gpus=2), gpu_pools=(GPU_POOL, mig))
    assert spec["containers"][0]["resources"]["limits"]["nvidia.com/mig-1g.10gb"] == "2"
    assert spec["runtimeClassName"] == "nvidia"


@pytest.mark.parametrize("gpus", [2, 16])
def test_more_gpus_than_any_node_has_are_refused_with_workload_and_fix(gpus: int) -> None:
    with pytest.raises(UnsupportedError, match=f"workload 'chat' wants {gpus} GPUs.*more than 1 — add a pool"):
        pod(service(gpus=gpus))


def test_more_processes_than_kubelets_allow_are_refused() -> None:
    few = NodePool(name="general", max_pids=63)
    with pytest.raises(UnsupportedError, match=r"'chat' needs 64 processes.*'general' allow a pod 63"):
        pod(service(), general=few)
    assert pod(service(), general=NodePool(name="general", max_pids=64))


def test_control_32_files_are_one_directory_readable_by_the_group_alone() -> None:
    workload = service(secrets=(SecretFile(name="token", secret="hub"),))
    spec = pod(workload)
    [volume] = [v for v in spec["volumes"] if v["name"] == "files"]
    assert volume["projected"]["defaultMode"] == 0o440
    assert [next(iter(source)) for source in volume["projected"]["sources"]] == ["configMap", "secret"]
    assert volume["projected"]["sources"][1]["secret"]["name"] == "chat-secrets"
    [mount] = [m for m in spec["containers"][0]["volumeMounts"] if m["name"] == "files"]
    assert (mount["mountPath"], mount["readOnly"]) == ("/etc/slm", True)


def test_control_32_no_secret_is_a_variable(specs: list[Manifest]) -> None:
    for spec in specs:
        for one in spec["containers"]:
            assert "envFrom" not in one
            assert all(set(variable) == {"name", "value"} for variable in one.get("env", []))


def test_a_workload_without_files_mounts_none() -> None:
    assert not [v for v in job_pod()["volumes"] if v["name"] == "files"]


def test_control_42_an_image_with_a_digest_is_not_pulled_again() -> None:
    assert container(service())["image"] == IMAGE
    assert container(service())["imagePullPolicy"] == "IfNotPresent"


def test_control_15_an_image_that_only_one_machine_knows_is_refused_with_the_fix() -> None:
    with pytest.raises(UnsupportedError, match=r"workload 'chat' has an image.*push it there.*sha256:"):
        pod(service(image="sha256:" + "b" * 64))


def test_what_runs_arrives_unchanged() -> None:
    found = container(service())
    assert found["command"] == ["serve", "$$HOME"]
    assert found["args"] == ["--port", "8000"]
    assert found["env"] == [{"name": "A", "value": "1"}, {"name": "B", "value": "$$(A)"}]
    assert found["ports"] == [{"name": "serving", "containerPort": 8000, "protocol": "TCP"}]
    bare = container(service(command=(), args=(), env={}))
    assert not {"command", "args", "env"} & bare.keys(), "the image's own words hold"


def expand(text: str, known: dict[str, str]) -> str:
    """What Kubernetes makes of `$(NAME)` and `$$` (k8s.io/kubernetes/third_party/forked/golang/expansion)."""
    out, at = "", 0
    while at < len(text):
        if text[at] != "$" or at + 1 == len(text):
            out, at = out + text[at], at + 1
        elif text[at + 1] == "$":
            out, at = out + "$", at + 2
        elif text[at + 1] == "(" and ")" in text[at + 2 :]:
            end = text.index(")", at + 2)
            name = text[at + 2 : end]
            out, at = out + known.get(name, f"$({name})"), end + 1
        else:
            out, at = out + text[at : at + 2], at + 2
    return out


@given(st.text(alphabet="$()aA {}", max_size=20))
def test_kubernetes_replaces_nothing_in_what_we_write(text: str) -> None:
    assert expand(literal(text), {"A": "replaced", "a": "replaced", "": "replaced"}) == text


def test_writable_directories_are_in_memory_and_limited() -> None:
    spec = pod(service())
    memory = {v["name"]: v["emptyDir"] for v in spec["volumes"] if "emptyDir" in v}
    assert memory == {
        "shm": {"medium": "Memory", "sizeLimit": "100Mi"},
        "scratch-0": {"medium": "Memory", "sizeLimit": "50Mi"},
        "scratch-1": {"medium": "Memory", "sizeLimit": "7Mi"},
    }
    where = {m["name"]: m["mountPath"] for m in spec["containers"][0]["volumeMounts"]}
    assert (where["shm"], where["scratch-0"], where["scratch-1"]) == ("/dev/shm", "/tmp", "/work")


def test_only_volumes_that_the_restricted_profile_allows_are_used(specs: list[Manifest]) -> None:
    allowed = {"projected", "emptyDir", "persistentVolumeClaim", "csi", "configMap", "secret"}
    for spec in specs:
        for volume in spec["volumes"]:
            assert set(volume) - {"name"} <= allowed, volume


def test_the_way_in_goes_before_engines_and_these_before_jobs() -> None:
    exposed = pod(service(), Surroundings(exposure=Exposure("127.0.0.1", 80)))
    order = [exposed["priorityClassName"], pod(service())["priorityClassName"], job_pod()["priorityClassName"]]
    assert order == ["slm-front", "slm-serving", "slm-filling"]
    values = {one["metadata"]["name"]: one for one in priority_classes(names())}
    assert values[order[0]]["value"] > values[order[1]]["value"] > values[order[2]]["value"]
    assert values["slm-filling"]["preemptionPolicy"] == "Never"
    assert not any(one["globalDefault"] for one in values.values())


def test_control_36_copies_are_spread_over_nodes_and_zones() -> None:
    around = Surroundings(scale=Scale(2, 2))
    hosts, zones = pod(service(volumes=()), around)["topologySpreadConstraints"]
    assert (hosts["topologyKey"], hosts["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "DoNotSchedule")
    assert (zones["topologyKey"], zones["whenUnsatisfiable"]) == ("topology.kubernetes.io/zone", "ScheduleAnyway")
    for one in (hosts, zones):
        assert one["maxSkew"] == 1
        assert one["labelSelector"]["matchLabels"] == names().selector("chat")
        assert one["nodeTaintsPolicy"] == "Honor", "an empty GPU node is no place where the gateway is missing"
        assert one["matchLabelKeys"] == ["pod-template-hash"]
    assert "topologySpreadConstraints" not in pod(service())


def test_what_autoscaling_may_add_is_spread_as_well() -> None:
    from tests.unit.test_kubernetes_scaling import SIGNAL

    around = Surroundings(scale=Scale(0, 2, SIGNAL))
    assert pod(service(volumes=()), around)["topologySpreadConstraints"]


def test_a_job_ends_with_its_process() -> None:
    spec = job_pod()
    assert spec["restartPolicy"] == "Never"
    assert not {"startupProbe", "readinessProbe", "livenessProbe", "lifecycle", "ports"} & spec["containers"][0].keys()
    assert "restartPolicy" not in pod(service())


def test_a_workload_without_shared_memory_of_its_own_still_has_a_limit_on_it() -> None:
    small = service(resources=Resources(memory_mib=100, cpus=1))
    assert {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}} in pod(small)["volumes"]
