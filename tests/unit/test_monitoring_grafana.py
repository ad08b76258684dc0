"""Grafana as described: closed, told nothing secret by its environment, its files where it looks for them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.monitoring import grafana
from components.monitoring.grafana_settings import Grafana
from components.workload import File, Workload
from tests.unit.settings_base import DIGEST

pytestmark = pytest.mark.unit

SOURCES = {
    "prometheus": "http://prometheus:9090",
    "loki": "http://loki:3100",
    "alertmanager": "http://alertmanager:9093",
}
TLS = {"certificate": "grafana-certificate", "key": "grafana-key"}


def workload(**own: Any) -> Workload:
    return grafana.workload(Grafana.model_validate(own), SOURCES, [File(name="a.json", content="{}")], DIGEST)


def test_control_52_nobody_gets_in_without_a_password_and_nothing_calls_home() -> None:
    env = workload().env
    assert env["GF_AUTH_ANONYMOUS_ENABLED"] == env["GF_USERS_ALLOW_SIGN_UP"] == "false"
    assert env["GF_SECURITY_ADMIN_PASSWORD__FILE"] == "/etc/slm/admin-password"
    assert env["GF_SECURITY_SECRET_KEY__FILE"] == "/etc/slm/secret-key"
    assert env["GF_SECURITY_COOKIE_SECURE"] == env["GF_SECURITY_CONTENT_SECURITY_POLICY"] == "true"
    assert env["GF_SECURITY_COOKIE_SAMESITE"] == "strict"
    off = [name for name in env if "ANALYTICS" in name or name.endswith(("NEWS_FEED_ENABLED", "EXTERNAL_ENABLED"))]
    assert len(off) == 6
    assert {env[name] for name in off} == {"false"}


def test_control_16_its_secrets_are_files() -> None:
    made = workload(tls=TLS)
    assert {s.name: s.secret for s in made.secrets} == {
        "admin-password": "grafana-admin-password",
        "secret-key": "grafana-secret-key",
        "tls.pem": "grafana-certificate",
        "tls.pem.key": "grafana-key",
    }
    assert not [name for name in made.env if "PASSWORD" in name and not name.endswith("__FILE")]


def test_with_tls_it_speaks_nothing_else() -> None:
    made = workload(tls=TLS, url="https://grafana.example.org")
    assert made.env["GF_SERVER_PROTOCOL"] == "https"
    assert made.env["GF_SERVER_MIN_TLS_VERSION"] == "TLS1.2"
    assert made.env["GF_SERVER_ROOT_URL"] == "https://grafana.example.org"
    assert made.probe
    assert made.probe.command[-1] == "https://127.0.0.1:3000/api/health"
    assert "GF_SERVER_PROTOCOL" not in workload().env


def test_it_shows_the_stacks_own_sources_under_the_names_that_pages_use() -> None:
    [content] = [file.content for file in workload().files if file.name == "datasources.yml"]
    found = yaml.safe_load(content)["datasources"]
    assert {(s["uid"], s["type"], s["url"]) for s in found} == {(kind, kind, url) for kind, url in SOURCES.items()}
    assert [s["uid"] for s in found if s["isDefault"]] == ["prometheus"]
    assert not any(s["editable"] for s in found)


def test_its_start_lays_files_out_as_grafana_looks_for_them(tmp_path: Path) -> None:
    files, target = tmp_path / "etc", tmp_path / "provisioning"
    files.mkdir()
    for file in workload().files:
        (files / file.name).write_text(file.content)
    script = (files / "grafana_start.sh").read_text()
    run = tmp_path / "run.sh"
    run.write_text("#!/bin/sh\necho started\n")
    run.chmod(0o755)
    for word, here in (("/etc/slm", files), ("/tmp/provisioning", target), ("/run.sh", run)):
        script = script.replace(word, str(here))
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "started\n"
    laid = sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())
    assert laid == ["dashboards/dashboards.yml", "datasources/datasources.yml", "pages/a.json"]
