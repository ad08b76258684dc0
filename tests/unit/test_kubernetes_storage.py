"""Volumes: what jobs fill and others read, what one copy alone writes, and which node they are on."""

from __future__ import annotations

import pytest

from components.targets.kubernetes.controllers import controller, job
from components.targets.kubernetes.names import Manifest
from components.targets.kubernetes.storage import claim, own_volumes, shared_volumes, template_name
from components.targets.placement import Surroundings
from components.workload import Volume, Workload
from tests.unit.kubernetes_samples import job as a_job
from tests.unit.kubernetes_samples import names, page, service, weights

pytestmark = pytest.mark.unit
CACHE = Volume(name="chat-cache-1", path="/cache", read_only=False, size_gib=8, keep=True)


def template(workload: Workload, **more: object) -> Manifest:
    found: Manifest = controller(workload, Surroundings(), names(**more))["spec"]["template"]
    return found


def mounts(spec: Manifest) -> dict[str, Manifest]:
    return {m["mountPath"]: m for m in spec["containers"][0]["volumeMounts"]}


def test_control_38_weights_are_mounted_read_only_where_they_are_served_and_written_by_jobs_alone() -> None:
    spec = template(service())["spec"]
    assert mounts(spec)["/models"] == {"name": "gguf-1", "mountPath": "/models", "readOnly": True}
    assert {"name": "gguf-1", "persistentVolumeClaim": {"claimName": "gguf-1"}} in spec["volumes"]
    volume = weights()
    filling = job(volume.fill[0], service(), volume, names())["spec"]["template"]["spec"]
    assert mounts(filling)["/models"]["readOnly"] is False
    assert "subPath" not in mounts(filling)["/models"]


def test_a_claim_asks_for_the_volumes_size_in_the_sites_class() -> None:
    plain = claim(weights(), names())
    assert plain["metadata"]["name"] == "gguf-1"
    assert plain["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}, "its first pod binds it"
    assert plain["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "volumeMode": "Filesystem",
        "resources": {"requests": {"storage": "2Gi"}},
    }
    shared = claim(weights(), names(storage_class="files", storage_access="ReadWriteMany", data_class="disk"))["spec"]
    assert (shared["accessModes"], shared["storageClassName"]) == (["ReadWriteMany"], "files")


def test_a_stack_that_moves_to_shared_storage_has_another_claim_and_fills_it_anew() -> None:
    volume = weights()
    shared = names(storage_class="files", storage_access="ReadWriteMany", data_class="disk")
    there = claim(volume, shared)["metadata"]["name"]
    assert there != claim(volume, names())["metadata"]["name"], "what a claim is can never be changed"
    spec = controller(service(), Surroundings(), shared)["spec"]["template"]["spec"]
    assert {"name": "gguf-1", "persistentVolumeClaim": {"claimName": there}} in spec["volumes"]
    filling, before = (job(volume.fill[0], service(), volume, n) for n in (shared, names()))
    assert filling["metadata"]["name"] != before["metadata"]["name"]


def test_each_copy_has_what_it_writes_for_itself_on_a_disk() -> None:
    both = service(volumes=(weights(), CACHE))
    assert [v.name for v in own_volumes(both)] == ["chat-cache-1"]
    assert [v.name for v in shared_volumes(both)] == ["gguf-1"]
    made = controller(both, Surroundings(), names(storage_class="files", data_class="disk"))["spec"]
    [own] = made["volumeClaimTemplates"]
    assert own["metadata"]["name"] == "cache"
    assert (own["spec"]["accessModes"], own["spec"]["storageClassName"]) == (["ReadWriteOnce"], "disk")
    assert own["spec"]["resources"]["requests"]["storage"] == "8Gi"
    mount = mounts(made["template"]["spec"])["/cache"]
    assert mount == {"name": "cache", "mountPath": "/cache", "readOnly": False, "subPath": "chat-cache-1"}
    assert not [v for v in made["template"]["spec"]["volumes"] if v["name"] == "cache"]


def test_control_38_another_version_finds_nothing_of_the_last_one_and_the_set_need_not_be_made_anew() -> None:
    def spec(name: str) -> Manifest:
        volume = CACHE.model_copy(update={"name": name})
        found: Manifest = controller(service(volumes=(volume,)), Surroundings(), names())["spec"]
        return found

    one, two = spec("chat-cache-1"), spec("chat-cache-2")
    assert one["volumeClaimTemplates"] == two["volumeClaimTemplates"]
    assert mounts(one["template"]["spec"]) != mounts(two["template"]["spec"])


@pytest.mark.parametrize(
    ("path", "name"), [("/data", "data"), ("/var/Some_thing", "var-some-thing"), ("/home/v/.cache", "home-v-cache")]
)
def test_the_name_of_a_claim_follows_from_its_path(path: str, name: str) -> None:
    assert template_name(Volume(name="x", path=path, size_gib=1)) == name


def test_a_path_that_makes_no_name_still_has_one() -> None:
    assert template_name(Volume(name="x", path="/" + "a" * 50, size_gib=1)).startswith("volume-")
    assert template_name(Volume(name="x", path="/__", size_gib=1)).startswith("volume-")


def test_a_job_writes_into_the_volume_and_has_none_of_its_own() -> None:
    writing = a_job(volumes=(CACHE,))
    assert own_volumes(writing) == ()
    assert shared_volumes(writing) == (CACHE,)


def affinity(pod: Manifest) -> Manifest:
    found: Manifest = pod["spec"]["affinity"]["podAffinity"]
    return found


def test_everything_that_uses_a_disk_is_on_its_node() -> None:
    volume = weights()
    serving = template(service())
    filling = job(volume.fill[0], service(), volume, names())["spec"]["template"]
    for pod in (serving, filling):
        [term] = affinity(pod)["requiredDuringSchedulingIgnoredDuringExecution"]
        assert term["topologyKey"] == "kubernetes.io/hostname"
        label = term["labelSelector"]["matchLabels"]
        assert label == {"slm.volume/gguf-1": "mounted"}
        assert label.items() <= pod["metadata"]["labels"].items(), "the first pod must match its own rule"
    assert "affinity" not in template(service(), storage_access="ReadWriteMany")["spec"]
    assert "affinity" not in template(page())["spec"], "its disk is its own"


def test_of_two_disks_only_the_one_that_is_read_is_a_must() -> None:
    origin = weights(name="hf-1", path="/hf")
    target = Volume(name="onnx-1", path="/onnx", size_gib=1, keep=True)
    converting = a_job("chat-to-onnx", volumes=(target.model_copy(update={"read_only": False}), origin))
    pod = job(converting, service(), target, names())["spec"]["template"]
    [must] = affinity(pod)["requiredDuringSchedulingIgnoredDuringExecution"]
    [wish] = affinity(pod)["preferredDuringSchedulingIgnoredDuringExecution"]
    assert must["labelSelector"]["matchLabels"] == {"slm.volume/hf-1": "mounted"}
    assert wish["podAffinityTerm"]["labelSelector"]["matchLabels"] == {"slm.volume/onnx-1": "mounted"}
    assert wish["weight"] == 100
