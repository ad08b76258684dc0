"""What tests against a real Kubernetes control plane share: one for the session, and a namespace for each test."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
from kubernetes import client
from kubernetes.config import new_client_from_config

from components.targets.kubernetes.site import Taint
from rehearsal.control_plane import ControlPlane, SimulatedPool, Timing

GPU_TAINT = Taint(key="sku", value="gpu")
TOLERATION = {"key": "sku", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"}
RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}

POOLS = (
    SimulatedPool(
        name="system", vm_size="Standard_D8as_v5", cpus=8, memory_mib=32768, system=True, min_nodes=1, max_nodes=2
    ),
    # One node and no more: the last GPU.
    SimulatedPool(
        name="gpu", vm_size="Standard_NC24ads_A100_v4", cpus=24, memory_mib=225280, gpus=1, taints=(GPU_TAINT,),
        min_nodes=1, max_nodes=1,
    ),
    SimulatedPool(
        name="burst", vm_size="Standard_NC4as_T4_v3", cpus=4, memory_mib=28672, gpus=1, spot=True,
        min_nodes=0, max_nodes=2,
    ),
)  # fmt: skip
# A new node is idle until the scheduler has bound a pod to it, which takes seconds on a busy machine: one that is taken
# away before then is made again and again.
TIMING = Timing(node_create=0.3, node_ready=0.2, node_idle=5.0, pod_start=0.1, pod_ready=0.1, pod_stop=0.3, job_run=0.2)


def running(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Which of them still run. A number alone may be another process's by then."""
    found = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def wait(until: Callable[[], Any], what: str, seconds: float = 120.0) -> Any:
    """What the condition gave when it held. A few seconds are the rule, and an overloaded machine may take a minute."""
    end = time.monotonic() + seconds
    while not (found := until()):
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}, in vain"
        time.sleep(0.1)
    return found


def stays(holds: Callable[[], Any], what: str, seconds: float) -> None:
    """The condition holds now and for the time to come."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert holds(), f"it was not to change: {what}"
        time.sleep(0.2)


def reason(refused: pytest.ExceptionInfo[client.ApiException]) -> str:
    """The API server's own sentence."""
    return str(json.loads(refused.value.body)["message"])


@dataclass
class Kube:
    """Clients of the API server, one for each of its groups, and the namespace of one test."""

    api: client.ApiClient
    namespace: str

    @property
    def core(self) -> client.CoreV1Api:
        return client.CoreV1Api(self.api)

    @property
    def apps(self) -> client.AppsV1Api:
        return client.AppsV1Api(self.api)

    def pods(self, selector: str = "") -> list[client.V1Pod]:
        """Pods of the namespace that are not on their way out."""
        found = self.core.list_namespaced_pod(self.namespace, label_selector=selector).items
        return [pod for pod in found if pod.metadata.deletion_timestamp is None]

    def ready(self, selector: str = "") -> list[client.V1Pod]:
        """Those of them that are ready."""
        return [
            pod
            for pod in self.pods(selector)
            if any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or ())
        ]

    def pool_of(self, pod: client.V1Pod) -> str:
        """The pool of the node that the pod is on."""
        return str(self.core.read_node(pod.spec.node_name).metadata.labels["kubernetes.azure.com/agentpool"])

    def nodes(self, pool: str) -> list[str]:
        """Names of a pool's nodes."""
        found = self.core.list_node(label_selector=f"kubernetes.azure.com/agentpool={pool}").items
        return [node.metadata.name for node in found]


def container(gpus: int = 0, **security: Any) -> dict[str, Any]:
    """A container that meets the restricted standard, unless `security` breaks it."""
    limits = {"nvidia.com/gpu": str(gpus)} if gpus else {}
    resources = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": limits}
    return {
        "name": "main",
        "image": "registry.example/app@sha256:" + "0" * 64,
        "resources": resources,
        "securityContext": RESTRICTED | security,
    }


def pod(name: str, gpus: int = 0, **spec: Any) -> dict[str, Any]:
    """A pod of one container."""
    return {"metadata": {"name": name}, "spec": {"containers": [container(gpus)], **spec}}


def deployment(name: str, replicas: int, strategy: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A Deployment whose pods carry its name as label `app`."""
    gpus = spec.pop("gpus", 0)
    return {
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": strategy} if strategy else {},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [container(gpus)], "terminationGracePeriodSeconds": 5, **spec},
            },
        },
    }


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """A control plane with three pools; nothing of it is left at the end."""
    with ControlPlane(POOLS, timing=TIMING) as plane:
        processes, folder = [psutil.Process(process.pid) for process in plane.processes], plane.premises.folder
        yield plane
    assert running(processes) == []
    assert not Path(folder).exists()


@pytest.fixture
def kube(control_plane: ControlPlane) -> Iterator[Kube]:
    """An administrator's clients and a fresh namespace that enforces the restricted Pod Security Standard."""
    control_plane.check()
    api = new_client_from_config(str(control_plane.kubeconfig))
    found = Kube(api, f"test-{uuid4().hex[:8]}")
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    found.core.create_namespace({"metadata": {"name": found.namespace, "labels": labels}})
    # Pods are refused until the namespace has its service account, which a controller makes.
    wait(lambda: found.core.list_namespaced_service_account(found.namespace).items, "the default service account")
    try:
        yield found
    finally:
        with suppress(client.ApiException):
            empty(found)
            found.core.delete_namespace(found.namespace)
        api.rest_client.pool_manager.clear()
        api.close()


def empty(kube: Kube) -> None:
    """Free what the pods hold, GPUs above all: a namespace by itself takes five seconds before it begins to."""
    batch = client.BatchV1Api(kube.api)
    kube.apps.delete_collection_namespaced_deployment(kube.namespace)
    kube.apps.delete_collection_namespaced_replica_set(kube.namespace)
    batch.delete_collection_namespaced_job(kube.namespace, propagation_policy="Background")

    def gone() -> bool:
        kube.core.delete_collection_namespaced_pod(kube.namespace, grace_period_seconds=0)
        return not kube.core.list_namespaced_pod(kube.namespace).items

    wait(gone, "pods to go")
