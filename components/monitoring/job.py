"""A scrape job as Prometheus reads it (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from components.monitoring.node_exporter import DATA_DISK
from components.workload import Value


class Asked(Value):
    """A service that a job asks. `copies`: its name stands for several addresses, each of which is asked."""

    host: str
    port: int
    labels: dict[str, str] = Field(default_factory=dict)
    copies: bool = False


class Job(Value):
    """A scrape job. `relabel` changes labels of targets, `series` those of what they answer; `connection` is how they
    are asked, where plain HTTP is not how.
    """

    name: str
    asked: tuple[Asked, ...]
    path: str = "/metrics"
    params: dict[str, list[str]] = Field(default_factory=dict)
    relabel: tuple[dict[str, Any], ...] = ()
    series: tuple[dict[str, Any], ...] = ()
    every: str | None = None
    connection: dict[str, Any] = Field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """As Prometheus reads it."""
        single = [asked for asked in self.asked if not asked.copies]
        several = [asked for asked in self.asked if asked.copies]
        document: dict[str, Any] = {"job_name": self.name}
        if self.every:
            document["scrape_interval"] = self.every
        if self.path != "/metrics":
            document["metrics_path"] = self.path
        document |= self.connection
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


def data_disk(name: str) -> tuple[dict[str, Any], ...]:
    """Of the file systems that the node exporter sees from its container, the one that holds all data, as `name`."""
    return (
        # Of what has no mount point, everything.
        {"source_labels": ["mountpoint"], "regex": f"|{DATA_DISK}", "action": "keep"},
        {
            "source_labels": ["mountpoint"],
            "regex": DATA_DISK,
            "target_label": "mountpoint",
            "replacement": name,
        },
    )
