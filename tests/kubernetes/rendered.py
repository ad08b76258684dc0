"""Stacks as the manifests that would be sent to a cluster: what the checks of manifests look at.

They differ in what decides about hardening: Azure's vault and none, disks of one node and shares of many, an internal,
a public and no load balancer, one copy and several, every engine, a pool whose last GPU is taken.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from components.manifests import manifests
from components.plan import Planned, plan
from components.program import managed
from components.settings import Settings, load
from components.targets.aks.device_plugin import manifests as device_plugin
from components.targets.aks.monitoring import config_maps
from components.targets.aks.names import Names as AksNames
from components.targets.aks.site import site_of as aks_site
from components.targets.aks.storage import storage_classes
from components.targets.kubernetes.described import site_of as kubernetes_site
from components.targets.kubernetes.names import AGENTS, INSTANCE_LABEL, Manifest, Names
from components.targets.kubernetes.site import ClusterSite
from components.targets.spec import Aks, Kubernetes
from components.workload import Volume, Workload
from policies.objects import CONTROLLERS, key

__all__ = ["CONTROLLERS", "key"]

PROJECT = Path(__file__).resolve().parents[2]
GPU_POOL = {"gpus": 1, "max_nodes": 3, "taints": [{"key": "sku", "value": "gpu"}], "labels": {"slm/pool": "gpu"}}
CLUSTER = {"kind": "kubernetes", "kubeconfig": "~/.kube/config"}
ENGINE = {"target": "laptop", "model": "qwen2.5-coder-0.5b-instruct"}
GPU_IMAGE = "docker.io/vllm/vllm-openai:v0.33.0@sha256:" + "e" * 64
MONITORING = {
    role: f"docker.io/slm/{role}:1@sha256:{'c' * 64}"
    for role in ("collector", "ollama-exporter", "dcgm-exporter", "vmagent")
}
"""Images of monitoring that nobody publishes, or whose digest was not read anywhere."""

WATCHED = {
    "target": "laptop",
    "receivers": {"ops": {"kind": "webhook", "url": "http://198.51.100.7:8080/in"}},
    "forward": {"url": "https://metrics.example.org/api/v1/write", "token_secret": "metrics-token"},
    "grafana": {"tls": {"certificate": "cert", "key": "cert-key"}, "url": "https://watch.example.org"},
}

TLS = {"certificate": "cert", "key": "cert-key"}
CALLERS = "203.0.113.0/24"


@dataclass(frozen=True)
class Stack:
    """A stack on a cluster: `objects` are its own, `cluster` what the cluster itself was given for it."""

    name: str
    settings: Settings
    site: ClusterSite
    objects: tuple[Manifest, ...]
    cluster: tuple[Manifest, ...]
    planned: Mapping[str, Planned]

    @property
    def all(self) -> list[Manifest]:
        """Every object, as copies that a test may break."""
        return copy.deepcopy([*self.cluster, *self.objects])

    @property
    def namespaces(self) -> tuple[str, str]:
        """Its own, and that of the nodes' agents."""
        return self.site.namespace, self.site.namespace + AGENTS

    def owns(self, manifest: Manifest) -> bool:
        """Whether an object is the stack's own, and not one that the cluster was given for it."""
        return INSTANCE_LABEL in manifest["metadata"].get("labels", {})

    @property
    def workloads(self) -> dict[str, Workload]:
        """Services and jobs by name."""
        services = {name: planned.workload for name, planned in self.planned.items()}
        jobs = {job.name: job for workload in services.values() for job in _jobs(workload)}
        return services | jobs


def _jobs(workload: Workload) -> list[Workload]:
    def of(volume: Volume) -> list[Workload]:
        return [job for filling in volume.fill for job in (*_jobs(filling), filling)]

    return [job for volume in workload.volumes for job in of(volume)]


def images(**more: str) -> dict[str, str]:
    """Images that this site builds, as if they were pushed to a registry."""
    built = ("fetch", "convert", "onnx", "vllm-cpu", "webui")
    return {role: f"docker.io/slm/{role}:1@sha256:{'a' * 64}" for role in built} | more


def _stack(name: str, settings: Settings, site: ClusterSite, cluster: list[Manifest]) -> Stack:
    names = Names(site, name)
    planned = {p.workload.name: p for p in plan(settings, dict.fromkeys(settings.targets, names))}
    return Stack(name, settings, site, tuple(manifests(settings, site, name)), tuple(cluster), planned)


def _prod() -> Stack:
    """The committed production stack, on AKS: a vault, GPU nodes, an internal load balancer, watched by Azure."""
    settings = load("prod", PROJECT, {"slm:images": images(**MONITORING)})
    [target] = [(name, spec) for name, spec in settings.targets.items() if isinstance(spec, Aks)]
    name, aks = target
    told = managed(settings, name, "prod")
    if told is None:
        raise LookupError("nobody watches the production stack")
    cluster = [*storage_classes(aks, AksNames("prod")), *device_plugin(aks), *config_maps(told)]
    return _stack("prod", settings, aks_site(aks, managed=True), cluster)


def on_cluster(name: str) -> dict[str, Any]:
    """What is laid over the committed stack `dev` to have one of the stacks on a cluster that exists already."""
    kinds = {"cpu-vllm": "vllm", "llamacpp": "llamacpp", "onnx": "onnx"}
    bare = {"monitoring": WATCHED, "images": images(**MONITORING)}
    if name == "engines":
        # All four engines and the chat page on a small cluster without load balancer, vault, GPUs or KEDA.
        engines = {key: {**ENGINE, "kind": kind, "served_model_name": key} for key, kind in kinds.items()}
        return {**bare, "targets": {"laptop": CLUSTER}, "engines": engines, "webui": {"target": "laptop"}}
    # Several copies of everything that can have some, public, on shares; an engine that KEDA scales, one outside.
    target = {
        **CLUSTER,
        "pools": {"general": {"max_nodes": 6}, "gpu": GPU_POOL},
        "storage_access": "ReadWriteMany",
        "storage_class": "shares",
        "exposure": "public",
        "source_ranges": [CALLERS],
        "keda_namespace": "keda",
        "vertical_pod_autoscaler": True,
    }
    engines = {
        "chat": {"scaling": {"min": 0, "max": 3}},
        "cuda": {**ENGINE, "kind": "vllm", "served_model_name": "on-gpu", "gpus": 1, "replicas": 2},
        "last-gpu": {**ENGINE, "kind": "llamacpp", "served_model_name": "last-gpu", "gpus": 1},
        "steady": {**ENGINE, "kind": "llamacpp", "served_model_name": "steady", "replicas": 3},
        "outside": {"kind": "external", "target": "laptop", "url": "https://models.example.org/v1", "model": "big"},
    }
    return {
        **bare,
        "targets": {"laptop": target},
        "engines": engines,
        "gateway": {"replicas": 3, "port": 443, "hosts": ["slm.example.org"], "tls": TLS},
        "webui": {"target": "laptop", "url": "https://chat.example.org", "tls": TLS},
        "images": images(vllm=GPU_IMAGE, **MONITORING),
    }


def _cluster(name: str) -> Stack:
    settings = load("dev", PROJECT, {f"slm:{key}": value for key, value in on_cluster(name).items()})
    [spec] = [spec for spec in settings.targets.values() if isinstance(spec, Kubernetes)]
    return _stack(name, settings, kubernetes_site(spec), [])


MAKE: Mapping[str, Callable[[], Stack]] = {
    "prod": _prod,
    "engines": partial(_cluster, "engines"),
    "copies": partial(_cluster, "copies"),
}


@cache
def stack(name: str) -> Stack:
    """One of the stacks."""
    return MAKE[name]()


def pod_templates(objects: list[Manifest]) -> dict[str, Manifest]:
    """The pod template of every controller, by `Kind/name`."""
    return {key(one): one["spec"]["template"] for one in objects if one["kind"] in CONTROLLERS}
