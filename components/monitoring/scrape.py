"""What Prometheus asks: one job for each part of a stack, with the labels that rules rely on (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from components.gateway import INTERNAL_PORT
from components.gateway import NAME as GATEWAY
from components.monitoring import (
    alertmanager,
    azure_managed,
    blackbox,
    cadvisor,
    collector,
    dcgm,
    forwarder,
    loki,
    node_exporter,
    ollama_exporter,
    prometheus,
)
from components.monitoring import kubernetes as on_cluster
from components.monitoring.job import Asked, Job, data_disk
from components.targets.placement import Naming, Scale

if TYPE_CHECKING:
    from components.settings import Settings

__all__ = ["OLLAMA", "Asked", "Job", "jobs"]

OLLAMA = "ollama"

_STORES = {prometheus.NAME: prometheus.PORT, alertmanager.NAME: alertmanager.PORT, loki.NAME: loki.PORT}
"""The parts that are asked for nothing but their own figures; their jobs are called as they are."""


def jobs(settings: Settings, naming: Naming, scales: dict[str, Scale]) -> tuple[Job, ...]:
    """The jobs of a stack: only those that have something to ask. `scales` are of the engines and the gateway."""
    found = [
        *_engines(settings, naming, scales),
        Job(
            name=GATEWAY,
            asked=(_gateway(naming, copies=scales[GATEWAY].most > 1),),
        ),
        _probing(settings, naming),
        *_watching(settings, naming),
    ]
    return tuple(found)


def _gateway(naming: Naming, *, copies: bool) -> Asked:
    host = naming.copies_host_of(GATEWAY) if copies else naming.host_of(GATEWAY)
    return Asked(host=host, port=INTERNAL_PORT, copies=copies)


def _watching(settings: Settings, naming: Naming) -> Iterator[Job]:
    """What is asked of monitoring itself, and of machines."""
    if settings.monitoring and settings.monitoring.managed:
        yield azure_managed.containers(settings)
        return
    for name, port in _STORES.items():
        yield Job(name=name, asked=(Asked(host=naming.host_of(name), port=port),))
    if settings.monitoring and settings.monitoring.forward:
        yield Job(name=forwarder.NAME, asked=(Asked(host=naming.host_of(forwarder.NAME), port=forwarder.PORT),))
    yield from (on_cluster.jobs(settings, naming) if on_cluster.is_cluster(settings) else _host(settings, naming))


def _host(settings: Settings, naming: Naming) -> Iterator[Job]:
    """What is asked of a Docker host: its logs' shipper, the machine itself, its containers and its GPUs."""
    shipper = naming.host_of(collector.NAME)
    yield Job(name="collector", asked=tuple(Asked(host=shipper, port=port) for port in collector.ASKED))
    if settings.has_image(dcgm.NAME) and settings.monitored_gpus:
        yield Job(name="dcgm", asked=(Asked(host=naming.host_of(dcgm.NAME), port=dcgm.PORT),))
    yield _machine(naming)
    yield _containers(naming)


def _engines(settings: Settings, naming: Naming, scales: dict[str, Scale]) -> Iterator[Job]:
    kinds: dict[str, list[Asked]] = {}
    exported: list[Asked] = []
    for name, engine in settings.hosted.items():
        labels = {"engine": name, "kind": engine.kind, "model": engine.served_models(settings.model_of(name))[0]}
        if engine.metrics_path:
            asked = Asked(host=naming.host_of(name), port=engine.port, labels=labels, copies=scales[name].most > 1)
            kinds.setdefault(engine.kind, []).append(asked)
        else:
            exported.append(Asked(host=name, port=engine.port, labels=labels))
    for kind, of_kind in kinds.items():
        yield Job(name=kind, asked=tuple(of_kind))
    if exported:
        exporter = f"{naming.host_of(ollama_exporter.NAME)}:{ollama_exporter.PORT}"
        yield Job(name=OLLAMA, asked=tuple(exported), path="/probe", relabel=_through(exporter, "engine"))


def _probing(settings: Settings, naming: Naming) -> Job:
    """The exporter calls what stands in `target`, and the gateway's own address becomes its parameter."""
    url = blackbox.probed(settings.gateway, naming.host_of(GATEWAY))
    exporter = f"{naming.host_of(blackbox.NAME)}:{blackbox.PORT}"
    return Job(
        name="blackbox",
        asked=(Asked(host=naming.host_of(blackbox.NAME), port=blackbox.PORT),),
        path="/probe",
        params={"module": [blackbox.MODULE], "target": [url]},
        relabel=(
            {"target_label": "instance", "replacement": url},
            {"target_label": "__address__", "replacement": exporter},
        ),
    )


def _through(exporter: str, label: str) -> tuple[dict[str, Any], ...]:
    """The target's label becomes the exporter's parameter `target`, and the exporter is asked in its place."""
    return (
        {"source_labels": [label], "target_label": "__param_target"},
        {"source_labels": [label], "target_label": "instance"},
        {"target_label": "__address__", "replacement": exporter},
    )


def _machine(naming: Naming) -> Job:
    return Job(
        name="node",
        asked=(Asked(host=naming.host_of(node_exporter.NAME), port=node_exporter.PORT),),
        series=data_disk(node_exporter.DOCKER_DISK),
    )


def _containers(naming: Naming) -> Job:
    """Containers of this stack alone, under the names of their workloads; the host may have others."""
    own_stack, own_workload = (f"container_label_{label.replace('.', '_')}" for label in cadvisor.LABELS)
    return Job(
        name="cadvisor",
        asked=(Asked(host=naming.host_of(cadvisor.NAME), port=cadvisor.PORT),),
        series=(
            {
                "source_labels": ["__name__", own_stack],
                "regex": f"(machine|cadvisor|process)_.*;|container_.*;{naming.stack}",
                "action": "keep",
            },
            {"source_labels": [own_workload], "regex": "(.+)", "target_label": "workload"},
            {"regex": "container_label_.*", "action": "labeldrop"},
        ),
    )
