"""What Prometheus asks: one job for each part of a stack, with the labels that rules rely on (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import Field

from components.gateway import INTERNAL_PORT
from components.gateway import NAME as GATEWAY
from components.monitoring import (
    alertmanager,
    blackbox,
    cadvisor,
    collector,
    dcgm,
    loki,
    node_exporter,
    ollama_exporter,
    prometheus,
)
from components.targets.placement import Naming, Scale
from components.workload import Value

if TYPE_CHECKING:
    from components.settings import Settings

OLLAMA = "ollama"


class Asked(Value):
    """A service that a job asks. `copies`: its name stands for several addresses, each of which is asked."""

    host: str
    port: int
    labels: dict[str, str] = Field(default_factory=dict)
    copies: bool = False


class Job(Value):
    """A scrape job. `relabel` changes labels of targets, `series` those of what they answer."""

    name: str
    asked: tuple[Asked, ...]
    path: str = "/metrics"
    params: dict[str, list[str]] = Field(default_factory=dict)
    relabel: tuple[dict[str, Any], ...] = ()
    series: tuple[dict[str, Any], ...] = ()
    every: str | None = None

    def document(self) -> dict[str, Any]:
        """As Prometheus reads it."""
        single = [asked for asked in self.asked if not asked.copies]
        several = [asked for asked in self.asked if asked.copies]
        document: dict[str, Any] = {"job_name": self.name}
        if self.every:
            document["scrape_interval"] = self.every
        if self.path != "/metrics":
            document["metrics_path"] = self.path
        if self.params:
            document["params"] = self.params
        if single:
            document["static_configs"] = [_static(asked) for asked in single]
        if several:
            document["dns_sd_configs"] = [{"names": [a.host], "type": "A", "port": a.port} for a in several]
        relabel = [*self.relabel, *(rule for asked in several for rule in _named(asked))]
        if relabel:
            document["relabel_configs"] = relabel
        if self.series:
            document["metric_relabel_configs"] = list(self.series)
        return document


def _static(asked: Asked) -> dict[str, Any]:
    found: dict[str, Any] = {"targets": [f"{asked.host}:{asked.port}"]}
    return found | ({"labels": asked.labels} if asked.labels else {})


def _named(asked: Asked) -> Iterator[dict[str, Any]]:
    """Each address that a name stands for gets the labels of what it is a copy of."""
    for label, value in asked.labels.items():
        yield {
            "source_labels": ["__meta_dns_name"],
            "regex": asked.host.replace(".", "\\."),
            "target_label": label,
            "replacement": value.replace("$", "$$"),
        }


def jobs(settings: Settings, naming: Naming, scales: dict[str, Scale]) -> tuple[Job, ...]:
    """The jobs of a stack: only those that have something to ask. `scales` are of the engines and the gateway."""
    here = _parts(settings)
    found = [
        *_engines(settings, naming, scales),
        Job(
            name=GATEWAY,
            asked=(Asked(host=naming.host_of(GATEWAY), port=INTERNAL_PORT, copies=scales[GATEWAY].most > 1),),
        ),
        _probing(settings, naming),
        *(Job(name=name, asked=(Asked(host=naming.host_of(part), port=port),)) for name, (part, port) in here.items()),
        _machine(naming),
        _containers(naming),
    ]
    return tuple(found)


def _parts(settings: Settings) -> dict[str, tuple[str, int]]:
    """The parts that are asked for nothing but their own figures, by job: name and port."""
    found = {
        "prometheus": (prometheus.NAME, prometheus.PORT),
        "alertmanager": (alertmanager.NAME, alertmanager.PORT),
        "loki": (loki.NAME, loki.PORT),
        "collector": (collector.NAME, collector.PORT),
    }
    if settings.has_image(dcgm.NAME) and settings.monitored_gpus:
        found["dcgm"] = (dcgm.NAME, dcgm.PORT)
    return found


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
    """Of the file systems that the exporter sees from its container, the one that holds all of Docker's files."""
    return Job(
        name="node",
        asked=(Asked(host=naming.host_of(node_exporter.NAME), port=node_exporter.PORT),),
        series=(
            {
                # Of what has no mount point, everything.
                "source_labels": ["mountpoint"],
                "regex": f"|{node_exporter.DATA_DISK}",
                "action": "keep",
            },
            {
                "source_labels": ["mountpoint"],
                "regex": node_exporter.DATA_DISK,
                "target_label": "mountpoint",
                "replacement": node_exporter.DISK_NAME,
            },
        ),
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
