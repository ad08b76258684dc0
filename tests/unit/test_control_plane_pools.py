"""Simulated node pools look like AKS' own, and what is declared in the cluster is what was meant."""

from __future__ import annotations

import json

import pytest
import yaml
from pydantic import ValidationError

from rehearsal.control_plane import nodes, stages
from rehearsal.control_plane.pools import SPOT_TAINT, SimulatedPool, reserved_memory_mib, reserved_millicores
from rehearsal.control_plane.timing import Timing

pytestmark = pytest.mark.unit

POOL = SimulatedPool(
    name="gpu", vm_size="Standard_NC24ads_A100_v4", cpus=24, memory_mib=220 * 1024, gpus=2, zones=("1", "3"),
    labels={"team": "a"}, max_nodes=2,
)  # fmt: skip


def test_a_node_has_aks_labels_its_own_and_its_zone_in_turn() -> None:
    labels = [POOL.node(number, "10.224.0.4")["metadata"]["labels"] for number in (0, 1, 2)]
    assert [found["topology.kubernetes.io/zone"] for found in labels] == [
        "westeurope-1",
        "westeurope-3",
        "westeurope-1",
    ]
    for key, value in {
        "kubernetes.azure.com/agentpool": "gpu",
        "node.kubernetes.io/instance-type": "Standard_NC24ads_A100_v4",
        "kubernetes.azure.com/accelerator": "nvidia",
        "kubernetes.azure.com/mode": "user",
        "team": "a",
    }.items():
        assert labels[0][key] == value
    assert "kubernetes.azure.com/scalesetpriority" not in labels[0]


def test_a_pool_without_zones_has_aks_word_for_none() -> None:
    assert POOL.model_copy(update={"zones": ()}).zone(1) == "0"


def test_a_spot_pool_has_aks_label_and_taint() -> None:
    spot = POOL.model_copy(update={"spot": True})
    assert spot.node_labels(0)["kubernetes.azure.com/scalesetpriority"] == "spot"
    assert spot.node_taints == (SPOT_TAINT,)


def test_a_node_offers_its_gpus_and_less_memory_and_processor_time_than_it_has() -> None:
    status = POOL.node(0, "10.224.0.4")["status"]
    assert status["capacity"] == {
        "cpu": "24", "memory": "225280Mi", "ephemeral-storage": "128Gi", "pods": "110", "nvidia.com/gpu": "2",
    }  # fmt: skip
    assert status["allocatable"]["nvidia.com/gpu"] == "2"
    assert status["allocatable"]["cpu"] == "23740m"
    assert status["allocatable"]["memory"] == f"{225280 - 2250 - 100}Mi"


@pytest.mark.parametrize(("cpus", "kept"), [(1, 60), (2, 100), (4, 140), (6, 140), (8, 180), (24, 260), (96, 740)])
def test_processor_time_kept_is_of_aks_table(cpus: int, kept: int) -> None:
    assert reserved_millicores(cpus) == kept


def test_memory_kept_is_at_most_a_quarter_and_the_eviction_threshold() -> None:
    assert reserved_memory_mib(4096, 250) == 1024 + 100
    assert reserved_memory_mib(65536, 30) == 650 + 100


def test_names_are_those_of_a_scale_set_and_differ() -> None:
    names = [POOL.node_name(number) for number in (0, 35, 36)]
    assert [name.rsplit("vmss", 1)[1] for name in names] == ["000000", "00000z", "000010"]
    assert names[0].startswith("aks-gpu-")
    assert names[0] == POOL.node_name(0)


def test_a_pool_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValidationError, match="min_nodes 3 is above max_nodes 2"):
        SimulatedPool(name="a", vm_size="x", cpus=1, memory_mib=1024, min_nodes=3, max_nodes=2)


def test_pools_come_back_from_their_declaration_as_they_were() -> None:
    other = POOL.model_copy(update={"name": "cpu", "gpus": 0})
    assert nodes.declared(nodes.declaration([POOL, other])) == (other, POOL)


def test_a_declared_pool_with_an_unknown_field_is_refused() -> None:
    broken = nodes.declaration([POOL])
    broken["data"]["gpu"] = json.dumps(json.loads(POOL.model_dump_json()) | {"gpu": 1})
    with pytest.raises(ValidationError, match="Extra inputs"):
        nodes.declared(broken)


def test_stages_take_the_times_that_were_asked_for() -> None:
    rendered = list(yaml.safe_load_all(stages.render(Timing(pod_start=7.5, pod_stop=1.25))))
    delays = {stage["metadata"]["name"]: stage["spec"].get("delay", {}) for stage in rendered}
    assert delays["pod-running"] == {"durationMilliseconds": 7500}
    assert delays["pod-accepted"] == {}
    assert delays["pod-gone"]["durationFrom"]["jq"]["expression"].startswith("[1250, ")


def test_every_time_is_used_by_a_stage_or_by_the_nodes() -> None:
    text = "".join(path.read_text() for path in stages.FOLDER.glob("*.yaml"))
    named = {name for name in Timing.model_fields if f"${{{name}}}" in text}
    assert set(Timing.model_fields) - named == {"node_create", "node_idle"}
