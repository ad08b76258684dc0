"""The images that a stack's monitoring is made of, by their role in the catalogue (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.targets.spec import Docker

if TYPE_CHECKING:
    from components.settings import Settings

ALWAYS = ("alertmanager", "blackbox", "collector", "haproxy", "loki", "node-exporter", "prometheus")


def required_roles(settings: Settings) -> set[str]:
    """What monitoring cannot do without."""
    if settings.monitoring is None:
        return set()
    unmetered = any(engine.metrics_path is None for engine in settings.hosted.values())
    probes = ["blackbox", *(["ollama-exporter"] if unmetered else [])]
    if settings.monitoring.managed:
        return set(probes)
    on_host = isinstance(settings.targets[settings.monitoring.target], Docker)
    # On a cluster, kubelets count containers.
    forwards = ["vmagent"] if settings.monitoring.forward else []
    return {*ALWAYS, *probes, *forwards, *(["cadvisor"] if on_host else [])}


def optional_roles(settings: Settings) -> set[str]:
    """What only a registry offers: where none does, that part is left out and the rest runs."""
    if settings.monitoring is None or settings.monitoring.managed:
        return set()
    return {
        *(["grafana"] if settings.monitoring.grafana else []),
        *(["dcgm-exporter"] if settings.measured_gpus else []),
    }
