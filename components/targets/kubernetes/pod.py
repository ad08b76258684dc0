"""A workload as the template of its pods (pure)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from components.targets.kubernetes.agents import view_variables, view_volumes
from components.targets.kubernetes.files import file_volumes
from components.targets.kubernetes.names import Manifest, Names
from components.targets.kubernetes.pools import (
    beside_their_disks,
    disk_labels,
    each_node,
    node_choice,
    shared_disks,
    spread,
)
from components.targets.kubernetes.probes import (
    before_stopping,
    grace_seconds,
    literal,
    liveness_probe,
    readiness_probe,
    startup_probe,
)
from components.targets.kubernetes.security import container_security_context, pod_security_context
from components.targets.kubernetes.site import NodePool
from components.targets.kubernetes.storage import data_volumes, memory_mib, memory_volumes, shared_volumes
from components.targets.placement import Scale, Surroundings, UnsupportedError
from components.workload import Workload

DNS_LABEL = "slm.network/dns"
"""Pods that may ask the cluster's name server have it: who calls nobody asks nobody."""

EPHEMERAL = {"request": "64Mi", "limit": "1Gi"}
"""Logs are all that a pod with a read-only root writes to the node's disk; kubelets keep up to 250 MiB of them."""

FRONT, SERVING, FILLING = "front", "serving", "filling"
"""What goes first where a node is full: the way in, then engines, then jobs that fill volumes."""


def pod_template(
    workload: Workload,
    around: Surroundings,
    pool: NodePool,
    names: Names,
    annotations: Mapping[str, Any] | None = None,
) -> Manifest:
    """The template of its pods. `annotations` are what a change of must start new pods for.

    Raises UnsupportedError for an image that no cluster can pull.
    """
    disks = shared_disks(shared_volumes(workload), names.site)
    volumes: list[Manifest] = []
    mounts: list[Manifest] = []
    for more, where in (
        data_volumes(workload, names),
        file_volumes(workload, names),
        memory_volumes(workload),
        view_volumes(around.view),
    ):
        volumes += more
        mounts += where
    spec: Manifest = {
        "serviceAccountName": workload.name,
        "automountServiceAccountToken": False,
        # Otherwise every Service of the namespace becomes variables of every pod, and an engine named `vllm` would
        # read one of them as its port (finding 10).
        "enableServiceLinks": False,
        "priorityClassName": priority_class(names, _priority(workload, around)),
        "securityContext": pod_security_context(workload),
        "terminationGracePeriodSeconds": grace_seconds(workload),
        **(each_node(around.on_each, workload, names.site) if around.on_each else node_choice(pool)),
        **beside_their_disks(disks),
        "containers": [_container(workload, around, pool, mounts)],
        "volumes": volumes,
    }
    scale = Scale() if workload.is_job else around.scale
    if constraints := spread(workload, scale, names):
        spec["topologySpreadConstraints"] = constraints
    if workload.is_job:
        spec["restartPolicy"] = "Never"
    labels = {**names.labels(workload.name), **disk_labels(disks)}
    if around.calls or workload.egress:
        labels[DNS_LABEL] = "allowed"
    metadata: Manifest = {"labels": labels}
    return {"metadata": {**metadata, "annotations": dict(annotations)} if annotations else metadata, "spec": spec}


def _priority(workload: Workload, around: Surroundings) -> str:
    if workload.is_job:
        return FILLING
    return FRONT if around.exposure else SERVING


def priority_class(names: Names, kind: str) -> str:
    """The cluster knows priority classes by one list, so the stack's namespace is part of the name."""
    return f"{names.site.namespace}-{kind}"


def _container(workload: Workload, around: Surroundings, pool: NodePool, mounts: list[Manifest]) -> Manifest:
    container: Manifest = {
        "name": workload.name,
        "image": image(workload),
        "imagePullPolicy": "IfNotPresent",
        "securityContext": container_security_context(workload),
        "resources": resources(workload, pool),
        "volumeMounts": mounts,
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if workload.command:
        container["command"] = [literal(word) for word in workload.command]
    if workload.args:
        container["args"] = [literal(word) for word in workload.args]
    given = [{"name": key, "value": literal(value)} for key, value in sorted(workload.env.items())]
    if variables := [*given, *view_variables(around.view)]:
        container["env"] = variables
    if workload.probe and workload.port:
        container |= {
            "ports": [{"name": "serving", "containerPort": workload.port, "protocol": "TCP"}],
            "startupProbe": startup_probe(workload, workload.probe),
            "readinessProbe": readiness_probe(workload, workload.probe),
            "livenessProbe": liveness_probe(workload.probe),
            "lifecycle": before_stopping(workload),
        }
    return container


def image(workload: Workload) -> str:
    """Its image, from a registry. Raises UnsupportedError for one that is only known by its id."""
    if workload.image.startswith("sha256:"):
        raise UnsupportedError(
            f"workload '{workload.name}' has an image that only this machine's Docker engine knows (its id is"
            f" {workload.image[:19]}…), and nodes of a Kubernetes cluster pull images from a registry — push it there"
            " and name it with its digest: slm:images, repository:tag@sha256:…"
        )
    return workload.image


def resources(workload: Workload, pool: NodePool) -> Manifest:
    """Requests and limits, which are the same (control 28): what a pod may use is there for it, and it goes last when
    a node runs out. The limit on processes is the kubelet's, for all pods alike.
    """
    wanted = {
        "cpu": f"{math.ceil(workload.resources.cpus * 1000)}m",
        "memory": f"{memory_mib(workload)}Mi",
    }
    if workload.gpus:
        wanted[pool.gpu_resource] = str(workload.gpus)
    return {
        "requests": {**wanted, "ephemeral-storage": EPHEMERAL["request"]},
        "limits": {**wanted, "ephemeral-storage": EPHEMERAL["limit"]},
    }
