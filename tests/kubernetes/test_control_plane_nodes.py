"""Simulated nodes, a real scheduler, real controllers: pods are placed, rolled out, evicted, or wait in vain."""

from __future__ import annotations

import pytest
from kubernetes import client

from rehearsal.control_plane import ControlPlane, SimulatedPool
from tests.kubernetes.conftest import (
    POOLS,
    TOLERATION,
    Kube,
    deployment,
    pod,
    reason,
    stays,
    wait,
)

pytestmark = pytest.mark.kubernetes

ONE_MORE = {"maxSurge": 1, "maxUnavailable": 0}
ONE_LESS = {"maxSurge": 0, "maxUnavailable": 1}
SPOT = [{"key": "kubernetes.azure.com/scalesetpriority", "operator": "Exists"}]
BURST = {"kubernetes.azure.com/agentpool": "burst"}


def condition(subject: client.V1Pod, kind: str = "PodScheduled") -> client.V1PodCondition:
    return next(c for c in subject.status.conditions or () if c.type == kind)


def unschedulable(kube: Kube, selector: str) -> list[client.V1Pod]:
    return [p for p in kube.pods(selector) if p.status.conditions and condition(p).reason == "Unschedulable"]


def test_a_gpu_pod_goes_to_the_gpu_pool_and_without_toleration_nowhere(kube: Kube) -> None:
    kube.core.create_namespaced_pod(kube.namespace, pod("refused", gpus=1))
    kube.core.create_namespaced_pod(kube.namespace, pod("placed", gpus=1, tolerations=[TOLERATION]))
    kube.core.create_namespaced_pod(kube.namespace, pod("small"))
    wait(lambda: len(kube.ready()) == 2, "two pods to be ready")
    assert {p.metadata.name: kube.pool_of(p) for p in kube.ready()} == {"placed": "gpu", "small": "system"}
    (waiting,) = wait(lambda: unschedulable(kube, ""), "the scheduler to say why the refused pod waits")
    assert (waiting.metadata.name, waiting.status.phase) == ("refused", "Pending")
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
    wait(lambda: unschedulable(kube, "app=late"), "the evicted pod's successor to find no node to go to")


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
