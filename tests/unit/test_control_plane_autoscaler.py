"""The simulated cluster autoscaler: pools fill up to their minimum, grow for pods that wait, never beyond, shrink."""

from __future__ import annotations

from typing import Any

import pytest

from components.targets.kubernetes.site import Taint
from rehearsal.control_plane.autoscaler import LEAVING, Cluster, Decision, decide
from rehearsal.control_plane.demand import requests, selects, tolerates
from rehearsal.control_plane.pools import SimulatedPool

pytestmark = pytest.mark.unit

GPU_TAINT = Taint(key="sku", value="gpu")
GENERAL = SimulatedPool(name="general", vm_size="Standard_D4as_v5", cpus=4, memory_mib=16384, min_nodes=1, max_nodes=3)
GPU = SimulatedPool(
    name="gpu", vm_size="Standard_NC24ads_A100_v4", cpus=24, memory_mib=220 * 1024, gpus=1, taints=(GPU_TAINT,),
    max_nodes=2,
)  # fmt: skip
TOLERATION = {"key": "sku", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"}
WAITS = {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}


def pod(name: str, gpus: int = 0, cpu: str = "100m", node: str = "", **spec: Any) -> dict[str, Any]:
    resources = {"requests": {"cpu": cpu}, "limits": {"nvidia.com/gpu": str(gpus)} if gpus else {}}
    placed = {"nodeName": node} if node else {}
    return {
        "metadata": {"name": name, "namespace": "n", "ownerReferences": [{"kind": "ReplicaSet", "uid": "one"}]},
        "spec": {"containers": [{"name": "c", "resources": resources}], **placed, **spec},
        "status": {"phase": "Running"} if node else WAITS,
    }


def node(pool: SimulatedPool, number: int = 0, **annotations: str) -> dict[str, Any]:
    made = pool.node(number, "10.224.0.4")
    made["metadata"]["annotations"] |= annotations
    return made


def settled(*nodes: dict[str, Any]) -> dict[str, float]:
    return {n["metadata"]["name"]: 60.0 for n in nodes}


def decided(nodes: list[Any], pods: list[Any], *, idle: float = 0.0, **seen: Any) -> Decision:
    pools = seen.pop("pools", (GENERAL, GPU))
    return decide(Cluster(pools, nodes, pods, settled(*nodes) | seen.pop("ready_for", {}), **seen), node_idle=idle)


def test_an_empty_cluster_gets_each_pools_minimum() -> None:
    assert decided([], []).add == {"general": (0,)}


def test_a_waiting_gpu_pod_gets_a_node_of_the_gpu_pool() -> None:
    assert decided([node(GENERAL)], [pod("p", 1, tolerations=[TOLERATION])]).add == {"gpu": (0,)}


def test_a_pod_that_does_not_tolerate_the_pools_taint_gets_none() -> None:
    assert decided([node(GENERAL)], [pod("p", 1)]).add == {}


def test_a_pod_without_gpus_does_not_wake_a_gpu_node_although_it_tolerates_it() -> None:
    assert decided([node(GENERAL)], [pod("p", tolerations=[TOLERATION])], pools=(GPU, GENERAL)).add == {"general": (1,)}


def test_pods_that_share_a_node_get_one_node() -> None:
    assert decided([node(GENERAL)], [pod("a", cpu="1"), pod("b", cpu="1")]).add == {"general": (1,)}


def test_pods_that_do_not_fit_one_node_get_several_but_not_beyond_the_maximum() -> None:
    pods = [pod(f"p{i}", 1, tolerations=[TOLERATION]) for i in range(5)]
    assert decided([node(GENERAL)], pods).add == {"gpu": (0, 1)}
    assert decided([node(GENERAL), node(GPU, 0), node(GPU, 1)], pods).add == {}


def test_a_pod_that_is_too_large_for_every_node_gets_none() -> None:
    assert decided([node(GENERAL)], [pod("p", cpu="16")]).add == {}


def test_a_node_that_comes_is_waited_for() -> None:
    coming = node(GPU)
    name = coming["metadata"]["name"]
    pods = [pod("a", 1, tolerations=[TOLERATION])]
    assert decided([node(GENERAL), coming], pods, ready_for={name: 0.0}).add == {}
    assert decided([node(GENERAL), coming], pods, ready_for={name: 60.0}).add == {"gpu": (1,)}


def test_room_on_a_new_node_that_is_taken_already_does_not_count() -> None:
    coming = node(GPU)
    name = coming["metadata"]["name"]
    pods = [pod("there", 1, node=name), pod("waits", 1, tolerations=[TOLERATION])]
    assert decided([node(GENERAL), coming], pods, ready_for={name: 1.0}).add == {"gpu": (1,)}


@pytest.mark.parametrize(
    "apart",
    [
        {
            "topologySpreadConstraints": [
                {"topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
            ]
        },
        {
            "affinity": {
                "podAntiAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "kubernetes.io/hostname"}]
                }
            }
        },
    ],
    ids=["spread", "anti-affinity"],
)
def test_pods_that_refuse_to_share_a_node_get_one_each(apart: dict[str, Any]) -> None:
    assert decided([node(GENERAL)], [pod("a", **apart), pod("b", **apart)]).add == {"general": (1, 2)}


def test_an_idle_node_above_the_minimum_goes_after_its_time_the_newest_first() -> None:
    nodes = [node(GENERAL, i) for i in range(3)]
    idle = settled(*nodes)
    assert decided(nodes, [], idle=120.0, idle_for=idle).remove == ()
    expected = (GENERAL.node_name(2), GENERAL.node_name(1))
    assert decided(nodes, [], idle=30.0, idle_for=idle).remove == expected


def test_a_node_with_a_pod_stays() -> None:
    nodes = [node(GENERAL, 0), node(GENERAL, 1)]
    pods = [pod("p", node=GENERAL.node_name(i)) for i in (0, 1)]
    assert decided(nodes, pods, idle_for={}).remove == ()


def test_a_pool_that_is_gone_loses_its_nodes_and_one_whose_maximum_sinks_the_surplus() -> None:
    nodes = [node(GENERAL), node(GPU, 0), node(GPU, 1)]
    assert decided(nodes, [], pools=(GENERAL,)).remove == (GPU.node_name(0), GPU.node_name(1))
    smaller = GPU.model_copy(update={"max_nodes": 1})
    assert decided(nodes, [], pools=(GENERAL, smaller)).remove == (GPU.node_name(1),)


def test_nodes_of_an_older_description_are_replaced() -> None:
    newer = GENERAL.model_copy(update={"labels": {"team": "a"}})
    found = decided([node(GENERAL)], [], pools=(newer,))
    assert found == Decision(add={"general": (1,)}, remove=(GENERAL.node_name(0),))


def test_another_maximum_replaces_no_node() -> None:
    assert decided([node(GENERAL)], [], pools=(GENERAL.model_copy(update={"max_nodes": 9}),)) == Decision()


def test_a_leaving_node_goes_on_leaving_and_does_not_count() -> None:
    leaving = node(GENERAL, 0, **{LEAVING: "true"})
    assert decided([leaving], []) == Decision(add={"general": (1,)}, remove=(GENERAL.node_name(0),))


def test_a_node_that_nobody_declared_is_left_alone() -> None:
    own = {"metadata": {"name": "somebodys-own", "labels": {}}}
    assert decided([node(GENERAL), own], []).remove == ()


def test_requests_are_the_larger_of_init_and_running_containers_sidecars_included() -> None:
    def container(name: str, cpu: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "resources": {"requests": {"cpu": cpu}}, **more}

    asked = pod("p")
    asked["spec"]["containers"] = [container("a", "1"), container("b", "500m")]
    asked["spec"]["initContainers"] = [container("side", "250m", restartPolicy="Always"), container("init", "1200m")]
    assert requests(asked)["cpu"] * 1000 == 1750
    asked["spec"]["initContainers"][1] = container("init", "3")
    assert requests(asked)["cpu"] == 3


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        (TOLERATION, True),
        ({"operator": "Exists"}, True),
        ({"key": "sku", "operator": "Exists"}, True),
        ({"key": "sku", "value": "gpu"}, True),
        ({"key": "sku", "value": "other"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({**TOLERATION, "effect": "NoExecute"}, False),
    ],
)
def test_tolerations_match_as_the_scheduler_matches_them(toleration: dict[str, str], expected: bool) -> None:
    assert tolerates(pod("p", tolerations=[toleration]), [GPU_TAINT]) is expected


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("In", ["a", "b"], True), ("In", ["b"], False), ("NotIn", ["b"], True), ("NotIn", ["a"], False),
        ("Exists", [], True), ("DoesNotExist", [], False),
    ],
)  # fmt: skip
def test_node_affinity_is_read_as_the_scheduler_reads_it(operator: str, values: list[str], expected: bool) -> None:
    term = {"matchExpressions": [{"key": "kind", "operator": operator, "values": values}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    assert selects(pod("p", affinity={"nodeAffinity": required}), {"kind": "a"}) is expected


def test_a_node_selector_must_match_altogether() -> None:
    assert selects(pod("p", nodeSelector={"a": "1"}), {"a": "1", "b": "2"})
    assert not selects(pod("p", nodeSelector={"a": "1", "c": "3"}), {"a": "1", "b": "2"})
