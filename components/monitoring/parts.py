"""The parts of a stack's monitoring, each with what surrounds it: who asks whom, and what an agent may see (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from components.monitoring import (
    alertmanager,
    blackbox,
    cadvisor,
    collector,
    dcgm,
    engine_api,
    forwarder,
    grafana,
    kubelet,
    loki,
    node_exporter,
    ollama_exporter,
    prometheus,
)
from components.monitoring import kubernetes as on_cluster
from components.monitoring.rules import rule_files
from components.monitoring.scrape import Job
from components.monitoring.settings import Monitoring
from components.targets.placement import Caller, Exposure, Naming, Outside, Surroundings
from components.workload import Workload

if TYPE_CHECKING:
    from components.settings import Settings

Part = tuple[Workload, Surroundings]

PROMETHEUS = Caller(prometheus.NAME)
GRAFANA = Caller(grafana.NAME)


def parts(
    settings: Settings, monitoring: Monitoring, naming: Naming, jobs: Sequence[Job], services: Sequence[Workload]
) -> Iterator[Part]:
    """Every part, in the order it is deployed. `services` are the stack's other workloads, which rules know of."""
    if monitoring.managed:
        yield from _probes(settings, naming)
        return
    asked = [*_asked(settings, monitoring, naming)]
    known = (*services, *(workload for workload, _ in asked))
    yield from asked
    yield _prometheus(settings, monitoring, naming, jobs, known)
    if page := _grafana(settings, monitoring, naming):
        yield page


def _asked(settings: Settings, monitoring: Monitoring, naming: Naming) -> Iterator[Part]:
    """What Prometheus asks and Grafana shows."""
    images = settings.images
    of_both = (PROMETHEUS, GRAFANA)
    shipper = Caller(collector.NAME, agent=on_cluster.is_cluster(settings))
    yield (
        alertmanager.workload(monitoring, images["alertmanager"]),
        Surroundings(
            circles=("monitoring",),
            callers=of_both,
            outside=tuple(Outside(*o) for r in monitoring.receivers.values() if (o := r.outside)),
            advised=True,
        ),
    )
    yield (
        loki.workload(monitoring, images["loki"]),
        Surroundings(circles=("monitoring",), callers=(*of_both, shipper), advised=True),
    )
    if monitoring.forward:
        yield (
            forwarder.workload(monitoring.forward, images["vmagent"]),
            Surroundings(
                circles=("monitoring",),
                callers=(PROMETHEUS,),
                outside=(Outside(*monitoring.forward.outside),),
                advised=True,
            ),
        )
    yield from _probes(settings, naming)
    yield from (on_cluster.parts(settings, naming) if on_cluster.is_cluster(settings) else _host(settings, naming))


def _probes(settings: Settings, naming: Naming) -> Iterator[Part]:
    """What asks others on behalf of whoever asks it: the gateway, and engines without figures of their own."""
    images = settings.images
    yield (
        blackbox.workload(settings.gateway, images["blackbox"]),
        Surroundings(circles=("engines", "monitoring"), callers=(PROMETHEUS,), calls=True, advised=True),
    )
    if urls := unmetered(settings, naming):
        around = Surroundings(circles=("engines", "monitoring"), callers=(PROMETHEUS,), calls=True, advised=True)
        yield ollama_exporter.workload(urls, images["ollama-exporter"]), around


def _host(settings: Settings, naming: Naming) -> Iterator[Part]:
    """The agents of a Docker host."""
    images = settings.images
    inside = Surroundings(circles=("monitoring",), callers=(PROMETHEUS,), advised=True)
    ports = tuple(Caller(prometheus.NAME, port) for port in collector.ASKED)
    yield (
        collector.workload(f"{naming.host_of(loki.NAME)}:{loki.PORT}", naming.stack, images["collector"]),
        Surroundings(circles=("monitoring",), callers=ports, calls=True, advised=True, view="container-logs"),
    )
    yield node_exporter.workload(images["node-exporter"], texts=True), inside
    yield (
        engine_api.workload(images["haproxy"]),
        Surroundings(circles=("engine-api",), callers=(Caller(cadvisor.NAME),), view="container-engine"),
    )
    yield (
        cadvisor.workload(f"{naming.host_of(engine_api.NAME)}:{engine_api.PORT}", images["cadvisor"]),
        Surroundings(
            circles=("monitoring", "engine-api"), callers=(PROMETHEUS,), calls=True, advised=True, view="control-groups"
        ),
    )
    if settings.monitored_gpus and settings.has_image(dcgm.NAME):
        yield dcgm.workload(settings.monitored_gpus, images[dcgm.NAME]), inside


def unmetered(settings: Settings, naming: Naming) -> dict[str, str]:
    """Base URLs of the engines that have no metrics of their own, by name."""
    return {
        name: f"http://{naming.host_of(name)}:{engine.port}"
        for name, engine in settings.hosted.items()
        if engine.metrics_path is None
    }


def _prometheus(
    settings: Settings, monitoring: Monitoring, naming: Naming, jobs: Sequence[Job], known: Sequence[Workload]
) -> Part:
    rules = rule_files(settings, known, [job.name for job in jobs], monitoring.objectives)
    workload = prometheus.workload(
        monitoring,
        [job.document() for job in jobs],
        rules,
        prometheus.Around(
            f"{naming.host_of(alertmanager.NAME)}:{alertmanager.PORT}",
            f"{naming.host_of(forwarder.NAME)}:{forwarder.PORT}",
        ),
        naming.stack,
        settings.images["prometheus"],
    )
    around = Surroundings(
        circles=("engines", "monitoring"),
        callers=(GRAFANA,),
        calls=True,
        advised=True,
        view="kubelets" if on_cluster.is_cluster(settings) else None,
    )
    return workload, around


def _grafana(settings: Settings, monitoring: Monitoring, naming: Naming) -> Part | None:
    """None where the stack wants none, or where its image cannot be had."""
    own = monitoring.grafana
    if own is None or not settings.has_image(grafana.NAME):
        return None
    sources = {
        kind: f"http://{naming.host_of(name)}:{port}"
        for kind, name, port in (
            (grafana.PROMETHEUS, prometheus.NAME, prometheus.PORT),
            (grafana.LOKI, loki.NAME, loki.PORT),
            (grafana.ALERTMANAGER, alertmanager.NAME, alertmanager.PORT),
        )
    }
    # The library that writes dashboards takes long to load, and only Grafana has a use for it.
    from components.monitoring.dashboards import dashboard_files

    exposure = Exposure(own.bind, own.port)
    around = Surroundings(exposure=exposure, circles=("monitoring",), calls=True, advised=True)
    return grafana.workload(own, sources, dashboard_files(), settings.images[grafana.NAME]), around


def reserved_names() -> frozenset[str]:
    """Names that no engine may have, because a part of monitoring has them."""
    modules = (
        alertmanager,
        blackbox,
        cadvisor,
        collector,
        dcgm,
        engine_api,
        forwarder,
        grafana,
        kubelet,
        loki,
        node_exporter,
        ollama_exporter,
        prometheus,
    )
    return frozenset(module.NAME for module in modules)
