"""A rollout never waits for the last GPU, and whoever deploys waits long enough."""

from __future__ import annotations

from itertools import combinations_with_replacement

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.targets.kubernetes.controllers import controller, disruption_budget, job
from components.targets.kubernetes.rollout import (
    NODE_SECONDS,
    can_surge,
    job_seconds,
    progress_seconds,
    service_seconds,
)
from components.targets.kubernetes.site import NodePool
from components.targets.placement import Exposure, Scale, Surroundings, UnsupportedError
from components.workload import Volume
from tests.unit.kubernetes_samples import GPU_POOL, names, page, service, weights
from tests.unit.kubernetes_samples import job as a_job

pytestmark = pytest.mark.unit
SURGES = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
MAKES_WAY = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}


def placeable(gpus: int, copies: int, nodes: list[int]) -> bool:
    """Whether so many pods of `gpus` GPUs fit onto nodes with these free GPUs."""
    return sum(free // gpus for free in nodes) >= copies


@settings(max_examples=300, deadline=None)
@given(
    gpus=st.integers(1, 4),
    per_node=st.integers(1, 8),
    max_nodes=st.integers(1, 4),
    copies=st.integers(1, 6),
    other=st.integers(0, 6),
)
def test_control_34_a_new_copy_is_only_started_first_where_it_fits_however_the_others_lie(
    gpus: int, per_node: int, max_nodes: int, copies: int, other: int
) -> None:
    pool = NodePool(name="gpu", gpus=per_node, max_nodes=max_nodes)
    if not can_surge(gpus, copies, pool, other, bound_to_node=False):
        return
    for taken in combinations_with_replacement(range(per_node + 1), max_nodes):
        if sum(taken) <= other:
            assert placeable(gpus, copies + 1, [per_node - used for used in taken])


@given(gpus=st.integers(1, 8), copies=st.integers(1, 8))
def test_control_34_a_pool_that_is_full_or_whose_size_nobody_knows_is_never_counted_on(gpus: int, copies: int) -> None:
    full = NodePool(name="gpu", gpus=gpus, max_nodes=copies)
    assert not can_surge(gpus, copies, full, 0, bound_to_node=False)
    assert can_surge(gpus, copies, full.model_copy(update={"max_nodes": copies + 1}), 0, bound_to_node=False)
    assert not can_surge(gpus, copies, NodePool(name="gpu", gpus=gpus), 0, bound_to_node=False)


def test_copies_without_gpus_are_started_first_unless_they_are_bound_to_a_node() -> None:
    assert can_surge(0, 3, NodePool(name="general"), 0, bound_to_node=False)
    assert not can_surge(0, 3, NodePool(name="general"), 0, bound_to_node=True)
    assert not can_surge(1, 1, NodePool(name="gpu", gpus=8, max_nodes=8), 0, bound_to_node=True)


def test_bad_config_33_the_strategy_follows_from_the_pool() -> None:
    def strategy(copies: int, other: int = 0) -> object:
        around = Surroundings(scale=Scale(copies, copies), other_gpus=other)
        return controller(service(gpus=1), around, names(storage_access="ReadWriteMany"))["spec"]["strategy"]

    assert GPU_POOL.capacity == 2
    assert strategy(1) == SURGES
    assert strategy(1, other=1) == MAKES_WAY
    assert strategy(2) == MAKES_WAY
    on_disk = controller(service(), Surroundings(), names())["spec"]["strategy"]
    assert on_disk == MAKES_WAY, "a ReadWriteOnce disk is on one node, whose room nobody knows"
    assert controller(service(volumes=()), Surroundings(), names())["spec"]["strategy"] == SURGES


def test_what_autoscaling_may_add_counts_as_taken() -> None:
    from tests.unit.test_kubernetes_scaling import SIGNAL

    around = Surroundings(scale=Scale(1, 2, SIGNAL))
    made = controller(service(gpus=1), around, names(storage_access="ReadWriteMany", keda_namespace="keda"))
    assert made["spec"]["strategy"] == MAKES_WAY


def test_a_rollout_is_given_up_later_than_everything_it_may_wait_for() -> None:
    spec = controller(service(), Surroundings(), names())["spec"]
    assert spec["progressDeadlineSeconds"] == progress_seconds(service()) == NODE_SECONDS + 300 + 58
    assert spec["revisionHistoryLimit"] == 5
    assert "minReadySeconds" not in spec
    exposed = controller(service(volumes=()), Surroundings(Exposure("127.0.0.1", 80)), names())
    assert exposed["spec"]["minReadySeconds"] == 5


@pytest.mark.parametrize("copies", [1, 3])
def test_bad_config_40_deploying_waits_for_all_copies_one_after_the_other(copies: int) -> None:
    assert service_seconds(service(), Scale(copies, copies)) > copies * progress_seconds(service())
    assert service_seconds(service(), Scale(0, 5)) > progress_seconds(service())


def test_control_35_one_copy_may_always_be_taken_away_and_a_sick_one_never_holds_a_drain_up() -> None:
    found = disruption_budget(service(), names())
    assert found["apiVersion"] == "policy/v1"
    assert found["spec"] == {
        "maxUnavailable": 1,
        "selector": {"matchLabels": names().selector("chat")},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }


def test_storage_of_its_own_makes_a_stateful_set_whose_copies_start_together() -> None:
    made = controller(page(), Surroundings(), names())
    assert made["kind"] == "StatefulSet"
    spec = made["spec"]
    assert (spec["serviceName"], spec["podManagementPolicy"]) == ("page", "Parallel")
    assert spec["updateStrategy"] == {"type": "RollingUpdate"}
    assert "strategy" not in spec
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    lost = controller(page(), Surroundings(), names(keep_volumes=False))["spec"]
    assert lost["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete"
    assert controller(service(), Surroundings(), names())["kind"] == "Deployment"


def test_selectors_and_labels_agree() -> None:
    for made in (controller(service(), Surroundings(), names()), controller(page(), Surroundings(), names())):
        labels = made["spec"]["template"]["metadata"]["labels"]
        assert made["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_what_must_start_new_pods_is_on_their_template() -> None:
    made = controller(page(), Surroundings(), names(), {"slm.files/revision": "1"})
    assert made["spec"]["template"]["metadata"]["annotations"] == {"slm.files/revision": "1"}
    assert "annotations" not in controller(page(), Surroundings(), names())["spec"]["template"]["metadata"]


def test_copies_that_one_node_alone_could_serve_are_refused_where_there_are_several_nodes() -> None:
    around = Surroundings(scale=Scale(2, 2))
    with pytest.raises(
        UnsupportedError, match=r"workload 'chat' shall run 2 times, and volume 'gguf-1'.*ReadWriteMany"
    ):
        controller(service(), around, names())
    assert controller(service(), around, names(general=NodePool(name="general", max_nodes=1)))
    assert controller(service(), around, names(storage_access="ReadWriteMany"))


def test_a_jobs_name_changes_with_what_it_does_and_with_the_volumes_revision() -> None:
    def name(filling: object = None, revision: str = "") -> str:
        volume = weights(revision=revision)
        made = job(volume.fill[0] if filling is None else filling, service(), volume, names())  # type: ignore[arg-type]
        return str(made["metadata"]["name"])

    assert name() == name()
    assert name().startswith("chat-fetch-")
    assert len({name(), name(revision="2"), name(a_job(args=("other",))), name(a_job())}) == 4


def test_a_job_has_time_for_a_node_and_then_its_own_deadline_and_few_tries() -> None:
    volume = weights()
    spec = job(volume.fill[0], service(), volume, names())["spec"]
    assert spec["activeDeadlineSeconds"] == job_seconds(volume.fill[0]) == NODE_SECONDS + 700
    assert (spec["backoffLimit"], spec["completions"], spec["parallelism"]) == (2, 1, 1)
    assert "ttlSecondsAfterFinished" not in spec, "a Job that has ended is how it is known that it need not run again"


def test_a_job_fills_a_disk_where_the_engine_will_need_it_and_a_share_anywhere() -> None:
    volume, owner = weights(), service(gpus=1)
    on_disk = job(volume.fill[0], owner, volume, names())["spec"]["template"]["spec"]
    assert on_disk["nodeSelector"]["slm-pool"] == "gpu"
    assert on_disk["tolerations"]
    assert "nvidia.com/gpu" not in on_disk["containers"][0]["resources"]["limits"]
    shared = job(volume.fill[0], owner, volume, names(storage_access="ReadWriteMany"))["spec"]["template"]["spec"]
    assert "slm-pool" not in shared["nodeSelector"]


def test_a_job_that_reads_another_disk_may_run_wherever_that_one_is() -> None:
    origin, target = weights(name="hf-1", path="/hf"), weights(fill=())
    reading = a_job("chat-to-gguf", volumes=(target.model_copy(update={"read_only": False}), origin))
    spec = job(reading, service(), target, names())["spec"]["template"]["spec"]
    assert [toleration["key"] for toleration in spec["tolerations"]] == ["sku"], "an engine with a GPU may hold it"
    assert spec["nodeSelector"] == {"kubernetes.io/os": "linux"}


def test_a_volume_that_is_not_kept_goes_with_its_set() -> None:
    volume = Volume(name="cache", path="/cache", read_only=False, size_gib=1)
    made = controller(service(volumes=(volume,)), Surroundings(), names())
    assert made["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete"
