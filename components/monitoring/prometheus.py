"""Prometheus: asks every part for its figures, keeps them, and finds what is wrong (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from components.monitoring import forwarder
from components.monitoring.probe import http_probe
from components.monitoring.settings import Monitoring
from components.workload import FILES_DIRECTORY, File, Image, Resources, Volume, Workload

NAME = "prometheus"
PORT = 9090
VOLUME = "prometheus-data"
DATA = "/prometheus"

MOST_SAMPLES = 20_000
"""Series that one target may have at a scrape. Ten times what the largest was seen to have: a mistake in an exporter
ends there and not in this process's memory."""

Job = Mapping[str, Any]


class Around(NamedTuple):
    """Whom it tells, each as `host:port`; no `forwarder`, no figures beyond the stack."""

    alertmanager: str
    forwarder: str | None = None


def workload(
    monitoring: Monitoring, jobs: Sequence[Job], rules: Sequence[File], told: Around, stack: str, image: Image
) -> Workload:
    """Prometheus with these scrape jobs and rule files. `stack` goes with every alert and every forwarded figure.

    Nothing may change it by HTTP (control 53): its files are read again on SIGHUP.
    """
    kept = monitoring.retention
    text = configuration(monitoring, jobs, [file.name for file in rules], told, stack)
    return Workload(
        name=NAME,
        image=image,
        args=(
            f"--config.file={FILES_DIRECTORY}/prometheus.yml",
            f"--storage.tsdb.path={DATA}",
            f"--web.listen-address=0.0.0.0:{PORT}",
            # Its own pages are not part of every build, and nobody but programs comes here.
            "--log.level=warn",
        ),
        files=(File(name="prometheus.yml", content=text), *rules),
        volumes=(Volume(name=VOLUME, path=DATA, read_only=False, size_gib=kept.metrics_volume_gib, keep=True),),
        port=PORT,
        probe=http_probe(PORT, "/-/ready", startup=300),
        resources=Resources(memory_mib=monitoring.prometheus_mib, cpus=1, pids=128),
        reload_signal="SIGHUP",
        # It closes its blocks; killed while it does so it reads its log again at the next start, which takes longer.
        drain=60,
    )


def configuration(monitoring: Monitoring, jobs: Sequence[Job], rules: Sequence[str], told: Around, stack: str) -> str:
    """Its configuration file."""
    kept, every = monitoring.retention, f"{monitoring.scrape_seconds}s"
    document: dict[str, Any] = {
        "global": {
            "scrape_interval": every,
            "scrape_timeout": f"{min(10, monitoring.scrape_seconds)}s",
            "evaluation_interval": every,
            "external_labels": external_labels(stack),
            "sample_limit": MOST_SAMPLES,
            "body_size_limit": "16MB",
        },
        "storage": {
            "tsdb": {"retention": {"time": f"{kept.metrics_days}d", "size": f"{int(kept.metrics_gib * 1024)}MB"}}
        },
        "rule_files": [f"{FILES_DIRECTORY}/{name}" for name in rules],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [told.alertmanager]}]}]},
        "scrape_configs": [dict(job) for job in jobs],
    }
    if monitoring.forward and told.forwarder:
        document["remote_write"] = [forwarder.remote_write(monitoring.forward, told.forwarder, every)]
    return yaml.safe_dump(document, sort_keys=False, width=1000)


def external_labels(stack: str) -> dict[str, str]:
    """Who this is, to whoever is told: the stack, and of a fleet's stack (`edge.berlin-1`) the host."""
    host = stack.partition(".")[2]
    return {"stack": stack, "host": host} if host else {"stack": stack}
