"""A cluster, workloads and a whole stack that tests of the Kubernetes target change in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from components.manifests import manifests
from components.settings import Settings, load
from components.targets.kubernetes.names import Manifest, Names
from components.targets.kubernetes.site import ClusterSite, NodePool, Taint
from components.workload import File, Probe, Resources, Scratch, SecretFile, Volume, Workload

IMAGE = "docker.io/slm/some:1.0.0@sha256:" + "a" * 64
GPU_POOL = NodePool(
    name="gpu", labels={"slm-pool": "gpu"}, taints=(Taint(key="sku", value="gpu"),), gpus=1, max_nodes=2
)
RESOURCES = Resources(memory_mib=1000, cpus=1.5, pids=64, shm_mib=100)
MODEL = "qwen2.5-coder-0.5b-instruct"


def site(**more: Any) -> ClusterSite:
    """A cluster with a GPU pool of two nodes."""
    return ClusterSite.model_validate({"namespace": "slm", "gpu_pools": (GPU_POOL,), **more})


def names(**more: Any) -> Names:
    """The names of stack `dev` there."""
    return Names(site(**more), "dev")


def job(name: str = "chat-fetch", **more: Any) -> Workload:
    """A job."""
    return Workload.model_validate({"name": name, "image": IMAGE, "resources": RESOURCES, **more})


def weights(**more: Any) -> Volume:
    """A volume that a job fills."""
    volume = Volume(name="gguf-1", path="/models", size_gib=1.5, keep=True)
    filling = job(volumes=(volume.model_copy(update={"read_only": False}),), egress=True, deadline=700)
    return volume.model_copy(update={"fill": (filling,), **more})


def service(name: str = "chat", **more: Any) -> Workload:
    """A service with everything a workload can have but secrets and GPUs."""
    fields: dict[str, Any] = {
        "name": name,
        "image": IMAGE,
        "command": ("serve", "$HOME"),
        "args": ("--port", "8000"),
        "env": {"B": "$(A)", "A": "1"},
        "files": (File(name="probe.sh", content="exit 0"),),
        "volumes": (weights(),),
        "scratch": (Scratch(path="/tmp", size_mib=50), Scratch(path="/work", size_mib=7)),
        "port": 8000,
        "probe": Probe(command=("bash", "/etc/slm/probe.sh"), interval=7, timeout=40, retries=4, startup=300),
        "resources": RESOURCES,
        "user": 10002,
        "group": 10003,
        "drain": 33,
    }
    return Workload.model_validate({**fields, **more})


def page(**more: Any) -> Workload:
    """A service with storage of its own and secrets that it reads at its start."""
    data = Volume(name="page-data", path="/data", read_only=False, size_gib=2, keep=True)
    return service("page", volumes=(data,), secrets=(SecretFile(name="key", secret="page-key"),), **more)


STACK: dict[str, Any] = {
    "slm:images": {
        "fetch": IMAGE.replace("some", "fetch"),
        "convert": IMAGE.replace("some", "convert"),
        "onnx": IMAGE.replace("some", "onnx"),
        "webui": "docker.io/slm/webui:v0.12.4@sha256:" + "b" * 64,
    },
    "slm:targets": {"here": {"kind": "kubernetes", "kubeconfig": "/etc/k3s.yaml", "pools": {"gpu": {"gpus": 1}}}},
    "slm:engines": {
        "chat": {"kind": "ollama", "target": "here", "model": MODEL, "gpus": 1},
        "cpu": {"kind": "onnx", "target": "here", "model": MODEL, "served_model_name": "cpu"},
        "cloud": {"kind": "external", "target": "here", "url": "https://203.0.113.9:8443/v1", "model": "far"},
    },
    "slm:gateway": {"target": "here", "tls": {"certificate": "cert", "key": "cert-key"}},
    "slm:webui": {"target": "here"},
}
"""Two engines and one of someone else's, the second with a volume that is converted from another, and a chat page."""


def stack_settings(folder: Path) -> Settings:
    """The settings of STACK."""
    (folder / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": STACK}), encoding="utf-8")
    return load("dev", folder)


def stack(folder: Path, **more: Any) -> list[Manifest]:
    """All manifests of STACK, on a cluster with these differences."""
    return manifests(stack_settings(folder), site(**more), "dev")


def of_kind(found: list[Manifest], kind: str) -> dict[str, Manifest]:
    """The manifests of one kind by their names."""
    return {one["metadata"]["name"]: one for one in found if one["kind"] == kind}


def pod_specs(found: list[Manifest]) -> dict[str, Manifest]:
    """The pod templates of everything that runs, by the name of what it is of."""
    return {one["metadata"]["name"]: one["spec"]["template"] for one in found if "template" in one.get("spec", {})}
