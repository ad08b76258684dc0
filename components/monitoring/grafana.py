"""Grafana: the pages people look at (pure). Only from its registry; left out, and said so, where that is silent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from components.monitoring.grafana_settings import Grafana
from components.monitoring.probe import http_probe
from components.workload import FILES_DIRECTORY, File, Image, Probe, Resources, Scratch, SecretFile, Volume, Workload

NAME = "grafana"
PORT = 3000
VOLUME = "grafana-data"
DATA = "/var/lib/grafana"
SECRETS = {"admin-password": "grafana-admin-password", "secret-key": "grafana-secret-key"}
"""Files to the names of the secrets whose content they have."""

PROMETHEUS, LOKI, ALERTMANAGER = "prometheus", "loki", "alertmanager"
"""The ids by which dashboards name the sources of their data."""

_START = Path(__file__).with_name("grafana_start.sh")


def workload(grafana: Grafana, sources: dict[str, str], dashboards: Sequence[File], image: Image) -> Workload:
    """Grafana with these dashboards. `sources` are the base URLs of prometheus, loki and alertmanager."""
    secrets = [SecretFile(name=file, secret=secret) for file, secret in SECRETS.items()]
    if grafana.tls:
        secrets.append(SecretFile(name="tls.pem", secret=grafana.tls.certificate))
        secrets.append(SecretFile(name="tls.pem.key", secret=grafana.tls.key))
    return Workload(
        name=NAME,
        image=image,
        command=("sh", f"{FILES_DIRECTORY}/{_START.name}"),
        env=environment(grafana),
        files=(
            File(name=_START.name, content=_START.read_text(encoding="utf-8")),
            File(name="datasources.yml", content=datasources(sources)),
            File(name="dashboards.yml", content=providers()),
            *dashboards,
        ),
        secrets=tuple(secrets),
        volumes=(Volume(name=VOLUME, path=DATA, read_only=False, size_gib=1, keep=True),),
        scratch=(Scratch(path="/tmp", size_mib=64), Scratch(path="/var/log/grafana", size_mib=16)),  # noqa: S108
        port=PORT,
        probe=_probe(grafana),
        resources=Resources(memory_mib=grafana.memory_mib, cpus=grafana.cpus, pids=256),
    )


def _probe(grafana: Grafana) -> Probe:
    plain = http_probe(PORT, "/api/health", startup=180)
    if not grafana.tls:
        return plain
    *words, _ = plain.command
    secure = (*words, "--no-check-certificate", f"https://127.0.0.1:{PORT}/api/health")
    return plain.model_copy(update={"command": secure})


def environment(grafana: Grafana) -> dict[str, str]:
    """What it is told by its environment (control 52): nothing secret, nothing anonymous, nothing that calls home."""
    own = {
        "GF_SERVER_HTTP_PORT": str(PORT),
        "GF_SERVER_ROOT_URL": grafana.endpoint,
        "GF_SERVER_DOMAIN": grafana.domain,
        "GF_SERVER_ENFORCE_DOMAIN": "false",
        "GF_SECURITY_ADMIN_PASSWORD__FILE": f"{FILES_DIRECTORY}/admin-password",
        "GF_SECURITY_SECRET_KEY__FILE": f"{FILES_DIRECTORY}/secret-key",
        "GF_SECURITY_COOKIE_SECURE": "true",
        "GF_SECURITY_COOKIE_SAMESITE": "strict",
        "GF_SECURITY_CONTENT_SECURITY_POLICY": "true",
        "GF_SECURITY_DISABLE_GRAVATAR": "true",
        "GF_SECURITY_STRICT_TRANSPORT_SECURITY": "true" if grafana.tls else "false",
        "GF_AUTH_ANONYMOUS_ENABLED": "false",
        "GF_AUTH_ANONYMOUS_HIDE_VERSION": "true",
        "GF_USERS_ALLOW_SIGN_UP": "false",
        "GF_USERS_ALLOW_ORG_CREATE": "false",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "GF_ANALYTICS_FEEDBACK_LINKS_ENABLED": "false",
        "GF_NEWS_NEWS_FEED_ENABLED": "false",
        "GF_SNAPSHOTS_EXTERNAL_ENABLED": "false",
        "GF_PUBLIC_DASHBOARDS_ENABLED": "false",
        "GF_PLUGINS_PREINSTALL_DISABLED": "true",
        "GF_PATHS_PROVISIONING": "/tmp/provisioning",  # noqa: S108
        "GF_LOG_MODE": "console",
        "HOME": "/tmp",  # noqa: S108
    }
    if grafana.tls:
        own |= {
            "GF_SERVER_PROTOCOL": "https",
            "GF_SERVER_CERT_FILE": f"{FILES_DIRECTORY}/tls.pem",
            "GF_SERVER_CERT_KEY": f"{FILES_DIRECTORY}/tls.pem.key",
            "GF_SERVER_MIN_TLS_VERSION": f"TLS{grafana.tls.minimum}",
        }
    return own


def datasources(sources: dict[str, str]) -> str:
    """The provisioning file that names where data comes from."""
    more = {ALERTMANAGER: {"jsonData": {"implementation": "prometheus"}}}
    entries = [
        {
            "name": kind.capitalize(),
            "uid": kind,
            "type": kind,
            "access": "proxy",
            "url": url,
            "isDefault": kind == PROMETHEUS,
            "editable": False,
            **more.get(kind, {}),
        }
        for kind, url in sources.items()
    ]
    return yaml.safe_dump({"apiVersion": 1, "prune": True, "datasources": entries}, sort_keys=False)


def providers() -> str:
    """The provisioning file that names where dashboards lie. What people change of them is not kept."""
    entry = {
        "name": "slm",
        "type": "file",
        "folder": "SLM stacks",
        "allowUiUpdates": False,
        "options": {"path": "/tmp/provisioning/pages"},  # noqa: S108
    }
    return yaml.safe_dump({"apiVersion": 1, "providers": [entry]}, sort_keys=False)
