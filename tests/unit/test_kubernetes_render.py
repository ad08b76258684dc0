"""A whole stack as manifests: complete, in an order that can be applied, without a secret, and the same every time."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from components.manifests import manifests
from components.targets.kubernetes.described import site_of
from components.targets.kubernetes.names import Manifest
from components.targets.kubernetes.render import NOBODY, PLACEHOLDER
from components.targets.spec import Kubernetes
from tests.unit.kubernetes_samples import of_kind, pod_specs, site, stack, stack_settings

pytestmark = pytest.mark.unit

CLUSTER_WIDE = {"Namespace", "PriorityClass"}
DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@pytest.fixture
def whole(tmp_path: Path) -> list[Manifest]:
    return stack(tmp_path)


def test_it_is_the_same_every_time(tmp_path: Path, whole: list[Manifest]) -> None:
    assert json.dumps(stack(tmp_path)) == json.dumps(whole)


def test_no_object_is_there_twice(whole: list[Manifest]) -> None:
    twice = [k for k, n in Counter((one["kind"], one["metadata"]["name"]) for one in whole).items() if n > 1]
    assert twice == []


def test_everything_is_in_the_stacks_namespace_and_found_by_its_labels(whole: list[Manifest]) -> None:
    for one in whole:
        metadata = one["metadata"]
        assert metadata.get("namespace") == (None if one["kind"] in CLUSTER_WIDE else "slm"), metadata["name"]
        assert metadata["labels"]["app.kubernetes.io/instance"] == "dev"
        assert metadata["labels"]["app.kubernetes.io/part-of"] == "slm-stacks"
        assert DNS_LABEL.fullmatch(metadata["name"]), metadata["name"]


def test_what_an_object_refers_to_comes_before_it(whole: list[Manifest]) -> None:
    there: set[tuple[str, str]] = set()
    checked = 0
    for one in whole:
        if "template" in one.get("spec", {}):
            spec = one["spec"]["template"]["spec"]
            wanted = {("ServiceAccount", spec["serviceAccountName"]), ("PriorityClass", spec["priorityClassName"])}
            for volume in spec["volumes"]:
                if "persistentVolumeClaim" in volume:
                    wanted.add(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
                for source in volume.get("projected", {}).get("sources", []):
                    [(kind, named)] = source.items()
                    wanted.add(({"configMap": "ConfigMap", "secret": "Secret"}[kind], named["name"]))
            assert wanted <= there, f"{one['metadata']['name']} comes before {wanted - there}"
            assert ("NetworkPolicy", "default-deny") in there
            checked += len(wanted)
        there.add((one["kind"], one["metadata"]["name"]))
    assert checked > 20
    assert whole[0]["kind"] == "Namespace"


def test_weights_are_fetched_and_converted_before_their_engine_starts(whole: list[Manifest]) -> None:
    order = [one["metadata"]["name"] for one in whole if one["kind"] in ("Job", "Deployment", "StatefulSet")]
    jobs = [re.sub(r"-[0-9a-f]{10}$", "", name) for name in order]
    assert jobs == [
        *("chat-fetch", "chat-import", "chat"),
        *("cpu-fetch", "cpu-to-hf", "cpu-to-onnx", "cpu"),
        *("gateway", "webui"),
    ]


def test_control_35_everything_that_serves_has_a_disruption_budget_and_a_service(whole: list[Manifest]) -> None:
    serving = of_kind(whole, "Deployment").keys() | of_kind(whole, "StatefulSet").keys()
    assert serving == {"chat", "cpu", "gateway", "webui"}
    assert of_kind(whole, "PodDisruptionBudget").keys() == serving
    assert of_kind(whole, "Service").keys() == serving
    for name, budget in of_kind(whole, "PodDisruptionBudget").items():
        labels = pod_specs(whole)[name]["metadata"]["labels"]
        assert budget["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_services_lead_to_the_ports_their_pods_listen_on(whole: list[Manifest]) -> None:
    for name, one in of_kind(whole, "Service").items():
        [container] = pod_specs(whole)[name]["spec"]["containers"]
        assert container["ports"][0]["containerPort"] in [p["targetPort"] for p in one["spec"]["ports"]]
        assert one["spec"]["selector"].items() <= pod_specs(whole)[name]["metadata"]["labels"].items()


def test_no_secret_is_rendered(whole: list[Manifest]) -> None:
    held = of_kind(whole, "Secret")
    assert set(held) == {"gateway-secrets", "webui-secrets"}
    for one in held.values():
        assert set(one["data"].values()) == {PLACEHOLDER}


def test_control_65_with_a_vault_there_is_no_secret_object_at_all(tmp_path: Path) -> None:
    found = stack(tmp_path, vault={"name": "slm-prod"})
    assert of_kind(found, "Secret") == {}
    classes = of_kind(found, "SecretProviderClass")
    assert set(classes) == {"gateway-secrets", "webui-secrets"}
    assert all(one["spec"]["parameters"]["clientID"] == NOBODY for one in classes.values())


def test_a_described_cluster_is_the_site_it_describes(tmp_path: Path) -> None:
    spec = stack_settings(tmp_path).targets["here"]
    assert isinstance(spec, Kubernetes)
    made = site_of(spec)
    assert (made.namespace, made.general.name, [p.name for p in made.gpu_pools]) == ("slm", "general", ["gpu"])
    assert made.gpu_pools[0].max_nodes is None
    assert manifests(stack_settings(tmp_path), made, "dev")
    alike = site_of(Kubernetes(kubeconfig="/k", gpus=4, nodes=1))
    assert (alike.general.max_nodes, alike.gpu_pools[0].gpus, alike.gpu_pools[0].capacity) == (1, 4, 4)
    assert site_of(Kubernetes(kubeconfig="/k")).gpu_pools == ()


def test_every_word_about_a_cluster_reaches_its_site() -> None:
    taints = ({"key": "sku", "value": "gpu", "effect": "NoExecute"},)
    pool = {"gpus": 2, "max_nodes": 3, "labels": {"a": "b"}, "taints": taints, "gpu_resource": "amd.com/gpu",
            "runtime_class": "amd", "max_pids": 99}  # fmt: skip
    given = {
        "namespace": "other", "storage_class": "a", "storage_access": "ReadWriteMany", "data_class": "b",
        "keep_volumes": False, "exposure": "public", "source_ranges": ("203.0.113.0/24",), "keda_namespace": "keda",
        "load_balancer_annotations": {"x": "y"}, "egress": ({"cidr": "10.0.0.1/32", "port": 3128},),
        "cluster_domain": "k8s.example", "pod_security_version": "v1.33",
    }  # fmt: skip
    made = site_of(Kubernetes.model_validate({"kubeconfig": "/k", "pools": {"gpu": pool}, **given}))
    for field, value in given.items():
        told = getattr(made, field)
        assert told == value or [one.model_dump() for one in told] == list(value), field
    assert made.gpu_pools[0].model_dump() == {**pool, "name": "gpu", "spot": False}
    assert made != site()
