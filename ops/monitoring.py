"""Monitoring of a running stack: its secrets, and where people find its pages."""

from __future__ import annotations

import json
import secrets

from rich.console import Console

from components.monitoring import dcgm, grafana
from components.settings import Settings
from ops import docker_client
from ops.pulumi_cli import Pulumi

MONITORING_SECRETS = "monitoringSecrets"


def ensure_secrets(pulumi: Pulumi) -> dict[str, str]:
    """Grafana's first password and the key it encrypts with."""
    held: dict[str, str] = json.loads(pulumi.secret(MONITORING_SECRETS) or "{}")
    if not held:
        held = {
            grafana.SECRETS["admin-password"]: f"slm-{secrets.token_urlsafe(24)}",
            grafana.SECRETS["secret-key"]: secrets.token_urlsafe(48),
        }
        pulumi.set_secret(MONITORING_SECRETS, json.dumps(held))
    return held


def tell(settings: Settings, stack: str, console: Console) -> None:
    """Say what watches the stack, and where it is seen."""
    own = settings.monitoring
    if own is None:
        return
    if own.managed:
        to = ", ".join(own.emails) or "nobody yet: slm:monitoring.emails"
        console.print(f"  watched   by Azure, every {own.scrape_seconds} s; alerts go to {to}")
        return
    kept = own.retention
    console.print(
        f"  watched   every {own.scrape_seconds} s; figures for {kept.metrics_days} d, logs for {kept.logs_days} d"
    )
    if own.forward:
        console.print(f"  forwards  recorded figures to {own.forward.host}; {own.forward.buffer_gib:g} GiB may wait")
    if own.grafana and settings.has_image(grafana.NAME):
        console.print(f"  pages     {own.grafana.endpoint} (admin; its password is in the stack's configuration)")
        if way := docker_client.way_to(settings, own.grafana.bind, own.grafana.port):
            console.print(f"            only its host can call it; from here first: {way}", soft_wrap=True)
    elif own.grafana:
        console.print("  pages     none: Grafana's image cannot be had here; everything else of monitoring runs")
    if settings.measured_gpus and not settings.has_image(dcgm.NAME):
        console.print("  GPUs      not measured: NVIDIA's exporter has no image here (slm:images.dcgm-exporter)")
    if not own.receivers:
        console.print(f"  alerts    go to nobody yet: slm:monitoring.receivers in Pulumi.{stack}.yaml")
