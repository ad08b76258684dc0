"""The rehearsal's Kubernetes is a real one: it refuses, schedules, rolls out, evicts and deletes as a cluster does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import Any

import pytest
from kubernetes import client

from rehearsal.control_plane import ControlPlane, PortTaken, ProcessEnded, SimulatedPool
from tests.kubernetes.conftest import POOLS, TIMING, TOLERATION, Kube, container, deployment, pod, running, stays, wait
from tools.installer import Installer

pytestmark = pytest.mark.kubernetes

ONE_MORE = {"maxSurge": 1, "maxUnavailable": 0}
ONE_LESS = {"maxSurge": 0, "maxUnavailable": 1}
SPOT = [{"key": "kubernetes.azure.com/scalesetpriority", "operator": "Exists"}]
BURST = {"kubernetes.azure.com/agentpool": "burst"}


def reason(refused: pytest.ExceptionInfo[client.ApiException]) -> str:
    return str(json.loads(refused.value.body)["message"])


def condition(subject: client.V1Pod, kind: str = "PodScheduled") -> client.V1PodCondition:
    return next(c for c in subject.status.conditions or () if c.type == kind)


def unschedulable(kube: Kube, selector: str) -> list[client.V1Pod]:
    return [p for p in kube.pods(selector) if p.status.conditions and condition(p).reason == "Unschedulable"]


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


def test_a_gpu_pod_goes_to_the_gpu_pool_and_without_toleration_nowhere(kube: Kube) -> None:
    kube.core.create_namespaced_pod(kube.namespace, pod("refused", gpus=1))
    kube.core.create_namespaced_pod(kube.namespace, pod("placed", gpus=1, tolerations=[TOLERATION]))
    kube.core.create_namespaced_pod(kube.namespace, pod("small"))
    wait(lambda: len(kube.ready()) == 2, "two pods to be ready")
    assert {p.metadata.name: kube.pool_of(p) for p in kube.ready()} == {"placed": "gpu", "small": "system"}
    waiting = next(p for p in kube.pods() if p.metadata.name == "refused")
    assert waiting.status.phase == "Pending"
    assert "untolerated taint" in condition(waiting).message


def test_a_surge_on_the_last_gpu_hangs_and_without_surge_the_rollout_completes(kube: Kube) -> None:
    first = deployment("engine", 1, ONE_MORE, gpus=1, tolerations=[TOLERATION])
    kube.apps.create_namespaced_deployment(kube.namespace, first)
    wait(lambda: kube.ready("app=engine"), "the first pod")
    old = kube.ready("app=engine")[0].metadata.name

    newer = {"spec": {"template": {"metadata": {"annotations": {"revision": "2"}}}}}
    kube.apps.patch_namespaced_deployment("engine", kube.namespace, newer)
    stuck = wait(lambda: unschedulable(kube, "app=engine"), "the second pod to find no GPU")[0]
    assert "Insufficient nvidia.com/gpu" in condition(stuck).message
    # For longer than the scheduler and the autoscaler take to look again.
    stays(lambda: unschedulable(kube, "app=engine") and len(kube.nodes("gpu")) == 1, "nothing makes room", 4)
    assert kube.ready("app=engine")[0].metadata.name == old

    careful = {"spec": {"strategy": {"rollingUpdate": ONE_LESS}}}
    kube.apps.patch_namespaced_deployment("engine", kube.namespace, careful)

    def done() -> bool:
        status = kube.apps.read_namespaced_deployment("engine", kube.namespace).status
        return bool(status.updated_replicas == status.ready_replicas == status.replicas == 1)

    wait(done, "the rollout to complete")
    assert kube.ready("app=engine")[0].metadata.name != old


def test_the_autoscaler_adds_nodes_up_to_the_maximum_and_takes_idle_ones_away(kube: Kube) -> None:
    assert kube.nodes("burst") == []
    wanted = deployment("many", 3, gpus=1, tolerations=SPOT, nodeSelector=BURST)
    kube.apps.create_namespaced_deployment(kube.namespace, wanted)
    wait(lambda: len(kube.ready("app=many")) == 2, "two pods on two new nodes")
    assert len({p.spec.node_name for p in kube.ready("app=many")}) == 2
    # For longer than a new node is given to take pods that wait.
    stays(lambda: len(kube.nodes("burst")) == 2, "the pool is at its maximum", 7)
    assert len(unschedulable(kube, "app=many")) == 1

    kube.apps.patch_namespaced_deployment_scale("many", kube.namespace, {"spec": {"replicas": 0}})
    wait(lambda: kube.nodes("burst") == [], "the idle nodes to go")
    assert len(kube.nodes("system")) == 1, "a pool keeps its minimum"


def test_a_pool_declared_later_gets_nodes_and_a_withdrawn_one_is_drained(
    kube: Kube, control_plane: ControlPlane
) -> None:
    late = SimulatedPool(
        name="late", vm_size="Standard_D2as_v5", cpus=2, memory_mib=8192, zones=("1", "2"), min_nodes=2, max_nodes=2
    )
    control_plane.declare([*POOLS, late])
    try:
        wait(lambda: len(kube.nodes("late")) == 2, "the new pool's nodes")
        zones = [kube.core.read_node(n).metadata.labels["topology.kubernetes.io/zone"] for n in kube.nodes("late")]
        assert sorted(zones) == ["westeurope-1", "westeurope-2"]
        selector = {"kubernetes.azure.com/agentpool": "late"}
        kube.apps.create_namespaced_deployment(kube.namespace, deployment("late", 1, nodeSelector=selector))
        wait(lambda: kube.ready("app=late"), "a pod on it")
    finally:
        control_plane.declare(POOLS)
    wait(lambda: kube.nodes("late") == [], "the pool's nodes to go")
    assert unschedulable(kube, "app=late"), "the pod was evicted, and its successor has no node to go to"


def test_a_disruption_budget_lets_one_eviction_through_and_stops_the_next(kube: Kube) -> None:
    kube.apps.create_namespaced_deployment(kube.namespace, deployment("web", 2))
    budget = {"metadata": {"name": "web"}, "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}}}
    policy = client.PolicyV1Api(kube.api)
    policy.create_namespaced_pod_disruption_budget(kube.namespace, budget)
    wait(lambda: len(kube.ready("app=web")) == 2, "two pods")

    def healthy() -> bool:
        status = policy.read_namespaced_pod_disruption_budget("web", kube.namespace).status
        return bool(status and status.current_healthy == 2 and status.observed_generation)

    wait(healthy, "the budget to know its pods")
    name = kube.ready("app=web")[0].metadata.name
    eviction = {"metadata": {"name": name, "namespace": kube.namespace}}
    with pytest.raises(client.ApiException) as refused:
        kube.core.create_namespaced_pod_eviction(name, kube.namespace, eviction)
    assert refused.value.status == 429
    assert "would violate the pod's disruption budget" in reason(refused)

    policy.patch_namespaced_pod_disruption_budget("web", kube.namespace, {"spec": {"minAvailable": 1}})
    wait(lambda: policy.read_namespaced_pod_disruption_budget("web", kube.namespace).status.disruptions_allowed, "room")
    kube.core.create_namespaced_pod_eviction(name, kube.namespace, eviction)
    wait(lambda: name not in [p.metadata.name for p in kube.pods()], "the evicted pod to go")
    wait(lambda: len(kube.ready("app=web")) == 2, "its successor")


def test_a_job_succeeds_and_one_that_is_told_to_fail_fails(kube: Kube) -> None:
    batch = client.BatchV1Api(kube.api)
    for name, notes in (("good", {}), ("bad", {"rehearsal.slm-stacks/outcome": "fails"})):
        template = {"metadata": {"annotations": notes}, "spec": {**pod("x")["spec"], "restartPolicy": "Never"}}
        job = {"metadata": {"name": name}, "spec": {"backoffLimit": 0, "template": template}}
        batch.create_namespaced_job(kube.namespace, job)

    def ended(name: str) -> str:
        conditions = batch.read_namespaced_job(name, kube.namespace).status.conditions or ()
        return next((c.type for c in conditions if c.status == "True" and c.type in ("Complete", "Failed")), "")

    assert wait(lambda: ended("good"), "the good job") == "Complete"
    assert wait(lambda: ended("bad"), "the bad job") == "Failed"


def test_a_pod_that_never_becomes_ready_stays_running_and_unready(kube: Kube) -> None:
    slow = pod("slow")
    slow["metadata"]["annotations"] = {"rehearsal.slm-stacks/outcome": "never-ready"}
    kube.core.create_namespaced_pod(kube.namespace, slow)
    kube.core.create_namespaced_pod(kube.namespace, pod("quick"))
    wait(lambda: kube.ready(), "the other pod")
    found = wait(lambda: [p for p in kube.pods() if p.status.phase == "Running" and p.metadata.name == "slow"], "slow")
    assert condition(found[0], "Ready").status == "False"
    assert [p.metadata.name for p in kube.ready()] == ["quick"]


def test_pods_have_addresses_that_a_service_knows(kube: Kube) -> None:
    kube.apps.create_namespaced_deployment(kube.namespace, deployment("web", 2))
    service = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}
    kube.core.create_namespaced_service(kube.namespace, service)
    wait(lambda: len(kube.ready("app=web")) == 2, "two pods")
    discovery = client.DiscoveryV1Api(kube.api)

    def addresses() -> set[str]:
        slices = discovery.list_namespaced_endpoint_slice(kube.namespace).items
        return {a for s in slices for e in s.endpoints or () if e.conditions.ready for a in e.addresses}

    wait(lambda: len(addresses()) == 2, "the service to have two endpoints")
    assert addresses() == {p.status.pod_ip for p in kube.ready("app=web")}


def test_a_load_balancer_gets_a_private_address_when_it_asks_for_one(kube: Kube) -> None:
    internal = {"service.beta.kubernetes.io/azure-load-balancer-internal": "true"}
    for name, notes in (("private", internal), ("public", {})):
        service = {
            "metadata": {"name": name, "annotations": notes},
            "spec": {"type": "LoadBalancer", "selector": {"app": "x"}, "ports": [{"port": 443}]},
        }
        kube.core.create_namespaced_service(kube.namespace, service)

    def address(name: str) -> str:
        ingress = kube.core.read_namespaced_service(name, kube.namespace).status.load_balancer.ingress
        return str(ingress[0].ip) if ingress else ""

    assert wait(lambda: address("private"), "an address").startswith("10.224.")
    assert wait(lambda: address("public"), "an address").startswith("20.0.")
    for name in ("private", "public"):
        kube.core.delete_namespaced_service(name, kube.namespace)
    wait(lambda: not kube.core.list_namespaced_service(kube.namespace).items, "the services to go")


def claim(name: str, storage_class: str, size: str = "8Gi") -> dict[str, Any]:
    access = "ReadWriteMany" if "file" in storage_class else "ReadWriteOnce"
    return {
        "metadata": {"name": name},
        "spec": {
            "storageClassName": storage_class,
            "accessModes": [access],
            "resources": {"requests": {"storage": size}},
        },
    }


def test_a_share_binds_at_once_and_a_disk_when_a_pod_wants_it(kube: Kube) -> None:
    for name, storage_class in (("share", "azurefile-csi-premium"), ("disk", "managed-csi-premium")):
        kube.core.create_namespaced_persistent_volume_claim(kube.namespace, claim(name, storage_class))

    def phase(name: str) -> str:
        return str(kube.core.read_namespaced_persistent_volume_claim(name, kube.namespace).status.phase)

    wait(lambda: phase("share") == "Bound", "the share")
    assert phase("disk") == "Pending"
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "disk"}}]
    kube.core.create_namespaced_pod(kube.namespace, pod("user", volumes=volumes))
    wait(lambda: phase("disk") == "Bound", "the disk")
    wait(lambda: kube.ready(), "its pod")
    volume = kube.core.read_namespaced_persistent_volume_claim("disk", kube.namespace).spec.volume_name
    assert kube.core.read_persistent_volume(volume).spec.csi.driver == "disk.csi.azure.com"


def test_a_claim_that_asks_for_more_grows(kube: Kube) -> None:
    kube.core.create_namespaced_persistent_volume_claim(kube.namespace, claim("share", "azurefile-csi"))

    def capacity() -> str:
        found = kube.core.read_namespaced_persistent_volume_claim("share", kube.namespace).status.capacity
        return str((found or {}).get("storage"))

    wait(lambda: capacity() == "8Gi", "the share")
    more = {"spec": {"resources": {"requests": {"storage": "16Gi"}}}}
    kube.core.patch_namespaced_persistent_volume_claim("share", kube.namespace, more)
    wait(lambda: capacity() == "16Gi", "the share to grow")


def test_a_namespace_goes_with_all_it_holds(kube: Kube) -> None:
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "disk"}}]
    kube.core.create_namespaced_persistent_volume_claim(kube.namespace, claim("disk", "managed-csi"))
    kube.apps.create_namespaced_deployment(kube.namespace, deployment("web", 1, volumes=volumes))
    service = {"metadata": {"name": "web"}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}}
    kube.core.create_namespaced_service(kube.namespace, service)
    provided(kube)
    wait(lambda: kube.ready("app=web"), "a pod")
    volume = kube.core.read_namespaced_persistent_volume_claim("disk", kube.namespace).spec.volume_name
    kube.core.delete_namespace(kube.namespace)
    wait(lambda: kube.namespace not in names(kube.core.list_namespace()), "the namespace to go")
    wait(lambda: volume not in names(kube.core.list_persistent_volume()), "its disk to go")


def names(listed: Any) -> list[str]:
    return [item.metadata.name for item in listed.items]


def provided(kube: Kube, **spec: Any) -> Any:
    """A SecretProviderClass, created with the server's strictest checking of fields."""
    body = {
        "apiVersion": "secrets-store.csi.x-k8s.io/v1",
        "kind": "SecretProviderClass",
        "metadata": {"name": "vault"},
        "spec": {"provider": "azure", "parameters": {"keyvaultName": "v"}, **spec},
    }
    return client.CustomObjectsApi(kube.api).create_namespaced_custom_object(
        "secrets-store.csi.x-k8s.io", "v1", kube.namespace, "secretproviderclasses", body, field_validation="Strict"
    )


def test_a_pod_may_have_secrets_of_a_vault_in_a_restricted_namespace(kube: Kube) -> None:
    provided(kube)
    csi = {"driver": "secrets-store.csi.k8s.io", "readOnly": True, "volumeAttributes": {"secretProviderClass": "vault"}}
    kube.core.create_namespaced_pod(kube.namespace, pod("reader", volumes=[{"name": "secrets", "csi": csi}]))
    wait(lambda: kube.ready(), "the pod")


def test_a_misspelt_field_of_an_add_ons_object_is_refused(kube: Kube) -> None:
    with pytest.raises(client.ApiException) as refused:
        provided(kube, secretObject=[])
    assert 'unknown field "spec.secretObject"' in reason(refused)
    with pytest.raises(client.ApiException) as refused:
        provided(kube, parameters={"keyvaultName": 1})
    assert "spec.parameters.keyvaultName" in reason(refused)


@pytest.mark.parametrize(
    ("plural", "kind", "spec", "told"),
    [
        ("scaledobjects", "ScaledObject", {"triggers": []}, "spec.scaleTargetRef"),
        (
            "scaledobjects",
            "ScaledObject",
            {"scaleTargetRef": {"name": "a"}, "triggers": [], "minReplicas": 1},
            'unknown field "spec.minReplicas"',
        ),
        (
            "scaledobjects",
            "ScaledObject",
            {"scaleTargetRef": {"name": "a"}, "triggers": [{"type": "prometheus", "metadata": {"threshold": 5}}]},
            "spec.triggers[0].metadata.threshold",
        ),
        (
            "triggerauthentications",
            "TriggerAuthentication",
            {"podIdentity": {"provider": "azure"}},
            'supported values: "azure-workload"',
        ),
    ],
)
def test_a_wrong_object_of_keda_is_refused(kube: Kube, plural: str, kind: str, spec: dict[str, Any], told: str) -> None:
    body = {"apiVersion": "keda.sh/v1alpha1", "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    with pytest.raises(client.ApiException) as refused:
        client.CustomObjectsApi(kube.api).create_namespaced_custom_object(
            "keda.sh", "v1alpha1", kube.namespace, plural, body, field_validation="Strict"
        )
    assert told in reason(refused)


def test_a_service_accounts_token_is_known_to_the_api_server(kube: Kube, control_plane: ControlPlane) -> None:
    asked = {"spec": {"audiences": None, "expirationSeconds": 600}}
    token = kube.core.create_namespaced_service_account_token("default", kube.namespace, asked).status.token
    review = client.AuthenticationV1Api(kube.api).create_token_review({"spec": {"token": token}})
    assert review.status.authenticated
    assert review.status.user.username == f"system:serviceaccount:{kube.namespace}:default"


def test_who_has_no_certificate_is_not_let_in(control_plane: ControlPlane) -> None:
    import ssl

    import httpx

    context = ssl.create_default_context(cafile=str(control_plane.premises.identity.authority))
    with httpx.Client(verify=context, trust_env=False) as stranger:
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
            seen.extend([[process.pid for process in plane.processes], plane.premises.folder])
            assert len(running(seen[0])) == 5
            scheduler = next(p for p in plane.processes if p.name == "kube-scheduler")
            os.kill(scheduler.pid, signal.SIGKILL)
            scheduler.popen.wait(10)
            with pytest.raises(ProcessEnded, match=r"kube-scheduler ended by itself \(exit code -9\)"):
                plane.check()
            raise Inside

    with pytest.raises(Inside):
        block()
    assert running(seen[0]) == []
    assert not seen[1].exists()
