"""Autoscaling: what KEDA is told, what the cluster's own autoscaler is told, and what neither can do."""

from __future__ import annotations

import pytest

from components.targets.kubernetes.controllers import controller
from components.targets.kubernetes.names import Manifest
from components.targets.kubernetes.scaling import POLLING_SECONDS, advisor, scaler
from components.targets.placement import Scale, Signal, Surroundings, UnsupportedError
from components.workload import Probe
from tests.unit.kubernetes_samples import names, page, service

pytestmark = pytest.mark.unit
SIGNAL = Signal("gateway", 8404, "/demand/chat", "demand", 2.5)


def scaled(least: int = 1, most: int = 4, startup: int = 300, gpus: int = 0, keda: str | None = "keda") -> Manifest:
    probe = Probe(command=("x",), startup=startup)
    around = Surroundings(scale=Scale(least, most, SIGNAL, 200))
    found = scaler(service(probe=probe, gpus=gpus), around, "Deployment", names(keda_namespace=keda))
    assert found is not None
    return found


def test_keda_asks_the_gateway_how_much_is_asked_of_the_engine() -> None:
    spec = scaled()["spec"]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat"}
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (1, 4)
    [trigger] = spec["triggers"]
    assert (trigger["type"], trigger["metricType"]) == ("metrics-api", "AverageValue")
    assert trigger["metadata"] == {
        "url": "http://gateway.slm.svc.cluster.local:8404/demand/chat",
        "format": "json",
        "valueLocation": "demand",
        "targetValue": "2.5",
        "activationTargetValue": "0",
    }


def test_keda_looks_often_enough_to_hear_of_every_refused_request() -> None:
    from components.gateway.demand import WANTED_SECONDS

    assert scaled()["spec"]["pollingInterval"] == POLLING_SECONDS
    assert 3 * POLLING_SECONDS <= WANTED_SECONDS


@pytest.mark.parametrize(("startup", "cooldown"), [(60, 200), (300, 360), (3600, 3660)])
def test_a_first_copy_is_not_stopped_before_it_has_loaded(startup: int, cooldown: int) -> None:
    assert scaled(least=0, startup=startup)["spec"]["cooldownPeriod"] == cooldown


@pytest.mark.parametrize(("startup", "up", "down"), [(30, 60, 300), (900, 900, 900), (3600, 1800, 3600)])
def test_decisions_settle_for_as_long_as_a_copy_takes_to_start(startup: int, up: int, down: int) -> None:
    behavior = scaled(startup=startup)["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior["scaleUp"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": up}]
    assert behavior["scaleDown"]["stabilizationWindowSeconds"] == down
    assert behavior["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 60}]


def test_without_keda_processors_decide_for_engines_that_compute_on_them() -> None:
    found = scaled(keda=None)
    assert found["kind"] == "HorizontalPodAutoscaler"
    assert (found["spec"]["minReplicas"], found["spec"]["maxReplicas"]) == (1, 4)
    [metric] = found["spec"]["metrics"]
    assert metric["resource"] == {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}


@pytest.mark.parametrize(("least", "gpus"), [(0, 0), (1, 1)])
def test_without_keda_nothing_starts_a_first_copy_or_sees_a_gpu(least: int, gpus: int) -> None:
    with pytest.raises(UnsupportedError, match=r"workload 'chat'.*namespace 'slm'.*install KEDA"):
        scaled(least=least, gpus=gpus, keda=None)


def test_a_number_that_never_changes_needs_no_autoscaler() -> None:
    for scale in (Scale(2, 2), Scale(2, 2, SIGNAL)):
        assert scaler(service(), Surroundings(scale=scale), "Deployment", names(keda_namespace="keda")) is None


def test_where_an_autoscaler_decides_nobody_else_says_how_many() -> None:
    moving = Surroundings(scale=Scale(0, 3, SIGNAL))
    assert "replicas" not in controller(service(volumes=()), moving, names())["spec"]
    assert "replicas" not in controller(page(), moving, names())["spec"]
    fixed = Surroundings(scale=Scale(3, 3))
    assert controller(service(volumes=()), fixed, names())["spec"]["replicas"] == 3


def test_gateway_and_page_get_advice_and_are_never_changed_by_it() -> None:
    advised, measured = Surroundings(advised=True), names(vertical_pod_autoscaler=True)
    found = advisor(page(), advised, "StatefulSet", measured)
    assert found is not None
    assert found["spec"]["updatePolicy"] == {"updateMode": "Off"}
    assert found["spec"]["targetRef"] == {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": page().name}
    assert advisor(page(), advised, "StatefulSet", names()) is None, "nothing on this cluster measures it"
    assert advisor(service(), Surroundings(), "Deployment", measured) is None, "an engine's need is computed"
