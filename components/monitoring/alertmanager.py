"""Alertmanager: tells people of alerts, each once, grouped, as the receivers want them (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from components.monitoring.probe import http_probe
from components.monitoring.receivers import Receiver, file_of, path_of
from components.monitoring.settings import Monitoring
from components.workload import FILES_DIRECTORY, File, Image, Resources, SecretFile, Volume, Workload

NAME = "alertmanager"
PORT = 9093
VOLUME = "alertmanager-data"
DATA = "/alertmanager"
NOBODY = "nobody"
"""The receiver of what no description sends anywhere: such alerts are shown by `make status` and by Grafana."""

WATCHDOG = "Watchdog"
"""The alert that always fires; a receiver that stops hearing of it knows that alerting is broken."""


def workload(monitoring: Monitoring, image: Image) -> Workload:
    """Alertmanager with the described receivers, whose credentials it reads from files (control 54)."""
    secrets = {name: receiver.secret for name, receiver in monitoring.receivers.items()}
    return Workload(
        name=NAME,
        image=image,
        args=(
            f"--config.file={FILES_DIRECTORY}/alertmanager.yml",
            f"--storage.path={DATA}",
            f"--web.listen-address=0.0.0.0:{PORT}",
            # It is alone: without this it would listen for others of its kind.
            "--cluster.listen-address=",
            "--log.level=warn",
        ),
        files=(File(name="alertmanager.yml", content=configuration(monitoring.receivers)),),
        secrets=tuple(SecretFile(name=file_of(n), secret=secret) for n, secret in secrets.items() if secret),
        volumes=(Volume(name=VOLUME, path=DATA, read_only=False, size_gib=0.25, keep=True),),
        port=PORT,
        probe=http_probe(PORT, "/-/ready"),
        resources=Resources(memory_mib=128, cpus=0.5, pids=64),
        egress=bool(monitoring.receivers),
        reload_signal="SIGHUP",
    )


def hushed() -> list[dict[str, Any]]:
    """Which alerts nobody is told of while a worse one about the same thing fires.

    Labels that neither has count as equal, so that each rule says which it is about.
    """
    worse = {
        "CertificateExpiresNow": ("CertificateExpires", ("instance",)),
        "DiskFull": ("DiskNearlyFull|DiskFillsSoon", ("instance", "mountpoint")),
        "WorkloadRestartsAgain": ("WorkloadRestarted", ("workload",)),
    }
    rules = [
        {"source_matchers": [f'alertname="{name}"'], "target_matchers": [f'alertname=~"{less}"'], "equal": [*same]}
        for name, (less, same) in worse.items()
    ]
    of_engine = {
        "source_matchers": ['severity="critical"', 'engine!=""'],
        "target_matchers": ['severity=~"warning|info"', 'engine!=""'],
        "equal": ["engine"],
    }
    return [of_engine, *rules]


def configuration(receivers: Mapping[str, Receiver]) -> str:
    """Its configuration file: the worst first, and a critical alert hushes the warnings about the same thing."""
    document = {
        "route": {
            "receiver": NOBODY,
            "group_by": ["alertname", "engine"],
            "group_wait": "10s",
            "group_interval": "2m",
            "repeat_interval": "4h",
            "routes": [_watchdog(receivers), *(_route(name, receiver) for name, receiver in receivers.items())],
        },
        "inhibit_rules": hushed(),
        "receivers": [
            {"name": NOBODY},
            *({"name": name, **receiver.configuration(path_of(name))} for name, receiver in receivers.items()),
        ],
    }
    return yaml.safe_dump(document, sort_keys=False, width=1000)


def _watchdog(receivers: Mapping[str, Receiver]) -> dict[str, Any]:
    """The watchdog goes to those who asked for it, every minute, and never among the real alerts."""
    often = {"group_wait": "0s", "group_interval": "1m", "repeat_interval": "1m"}
    wanted = [
        {"receiver": name, "continue": True, **often} for name, receiver in receivers.items() if receiver.watchdog
    ]
    return {"matchers": [f'alertname="{WATCHDOG}"'], "receiver": NOBODY, **({"routes": wanted} if wanted else {})}


def _route(name: str, receiver: Receiver) -> dict[str, Any]:
    severities = "|".join(receiver.severities)
    return {"matchers": [f'severity=~"{severities}"'], "receiver": name, "continue": True}
