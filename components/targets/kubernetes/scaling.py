"""What decides how many copies of a workload run, where that is not always the same number (pure).

KEDA reads how much is asked of an engine where its queue is, and may let the last copy go. Where there is no KEDA, the
cluster's own autoscaler can count how busy processors are, which says something of engines that compute on them.
"""

from __future__ import annotations

from components.targets.kubernetes.names import Manifest, Names
from components.targets.placement import Scale, Signal, Surroundings, UnsupportedError
from components.workload import Workload

POLLING_SECONDS = 10
"""How often KEDA looks whether the first copy is wanted: several times while a refused request still counts."""

BUSY_PERCENT = 80
"""A processor this busy, on average over all copies, is a reason for another copy."""

SETTLED_SECONDS = 300
"""A copy goes when it was not needed for this long, or for as long as it takes to start one again."""

_LONGEST_WINDOW, _LONGEST_PERIOD = 3600, 1800


def scaler(workload: Workload, around: Surroundings, kind: str, names: Names) -> Manifest | None:
    """The object that scales a workload's Deployment or StatefulSet (`kind`); None where nothing does.

    Raises UnsupportedError for a cluster on which nothing could.
    """
    scale = around.scale
    if not scale.moves or scale.signal is None:
        return None
    if names.site.keda_namespace:
        return _scaled_object(workload, scale, scale.signal, kind, names)
    if workload.gpus or scale.least == 0:
        why = "stop its last copy" if scale.least == 0 else "see how busy its GPUs are"
        raise UnsupportedError(
            f"workload '{workload.name}' shall run {scale.least} to {scale.most} times, and the autoscaler of namespace"
            f" '{names.namespace}' cannot {why} — install KEDA and say where it runs (keda_namespace), or say how"
            " many copies run"
        )
    return _by_processors(workload, scale, kind, names)


def advisor(workload: Workload, around: Surroundings, kind: str, names: Names) -> Manifest | None:
    """The object that makes the cluster say what a workload really needs (`kubectl describe vpa`). It changes nothing:
    what runs is what the stack file says. None for engines, whose need is computed, and where nothing measures it.
    """
    if not (around.advised and names.site.vertical_pod_autoscaler):
        return None
    return {
        "apiVersion": "autoscaling.k8s.io/v1",
        "kind": "VerticalPodAutoscaler",
        "metadata": names.metadata(workload.name, workload.name),
        "spec": {"targetRef": _reference(workload, kind), "updatePolicy": {"updateMode": "Off"}},
    }


def _scaled_object(workload: Workload, scale: Scale, signal: Signal, kind: str, names: Names) -> Manifest:
    startup = _startup(workload)
    trigger = {
        "type": "metrics-api",
        "metricType": "AverageValue",
        # Whichever copy of the gateway is asked speaks for its share, by which the target is divided. KEDA could ask
        # all of them and add up, but before 2.20 it does not wait for their answers.
        "metadata": {
            "url": f"http://{names.host_of(signal.workload)}:{signal.port}{signal.path}",
            "format": "json",
            "valueLocation": signal.field,
            "targetValue": f"{signal.per_copy:g}",
            "activationTargetValue": "0",
        },
    }
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": names.metadata(workload.name, workload.name),
        "spec": {
            "scaleTargetRef": _reference(workload, kind),
            "minReplicaCount": scale.least,
            "maxReplicaCount": scale.most,
            "pollingInterval": POLLING_SECONDS,
            # Whoever asked for the first copy may have given up before it has loaded; it must not go for that.
            "cooldownPeriod": max(scale.idle_seconds, startup + 60),
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": _behavior(startup)}},
            "triggers": [trigger],
        },
    }


def _by_processors(workload: Workload, scale: Scale, kind: str, names: Names) -> Manifest:
    target = {"type": "Utilization", "averageUtilization": BUSY_PERCENT}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": names.metadata(workload.name, workload.name),
        "spec": {
            "scaleTargetRef": _reference(workload, kind),
            "minReplicas": scale.least,
            "maxReplicas": scale.most,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
            "behavior": _behavior(_startup(workload)),
        },
    }


def _behavior(startup: int) -> Manifest:
    """One copy more in the time one takes to load, since none helps before; one less when it was not needed as long."""
    up = {"type": "Pods", "value": 1, "periodSeconds": min(max(startup, 60), _LONGEST_PERIOD)}
    down = {"type": "Pods", "value": 1, "periodSeconds": 60}
    settled = min(max(startup, SETTLED_SECONDS), _LONGEST_WINDOW)
    return {
        "scaleUp": {"stabilizationWindowSeconds": 0, "policies": [up]},
        "scaleDown": {"stabilizationWindowSeconds": settled, "policies": [down]},
    }


def _startup(workload: Workload) -> int:
    return workload.probe.startup if workload.probe else 0


def _reference(workload: Workload, kind: str) -> Manifest:
    return {"apiVersion": "apps/v1", "kind": kind, "name": workload.name}
