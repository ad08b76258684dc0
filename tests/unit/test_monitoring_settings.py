"""What a stack file may say about monitoring, and what is refused in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.settings import SettingsError
from tests.unit.monitoring_samples import described
from tests.unit.settings_base import load_changed

pytestmark = pytest.mark.unit

HOOK = {"kind": "webhook", "url": "http://alarm.example.org:8080/in"}


def refused(tmp_path: Path, monitoring: dict[str, Any], *words: str, **change: Any) -> None:
    with pytest.raises(SettingsError) as raised:
        load_changed({"monitoring": {"target": "laptop", **monitoring}, **change}, tmp_path)
    for word in words:
        assert word in str(raised.value), raised.value


def test_a_target_is_all_that_must_be_said(tmp_path: Path) -> None:
    own = load_changed({"monitoring": {"target": "laptop"}}, tmp_path).monitoring
    assert own is not None
    assert (own.scrape_seconds, own.retention.metrics_days, own.retention.logs_days) == (15, 15, 7)
    assert own.grafana is not None
    assert own.grafana.endpoint == "http://127.0.0.1:3001"


def test_a_stack_without_it_needs_none_of_its_images(tmp_path: Path) -> None:
    without = load_changed({}, tmp_path)
    assert without.optional_roles() == []
    assert set(load_changed({"monitoring": {"target": "laptop"}}, tmp_path).roles()) - set(without.roles()) == {
        "alertmanager",
        "blackbox",
        "cadvisor",
        "collector",
        "loki",
        "node-exporter",
        "ollama-exporter",
        "prometheus",
    }


def test_only_ollama_needs_the_exporter_for_ollama(tmp_path: Path) -> None:
    engines = {"chat": {"kind": "llamacpp"}}
    assert (
        "ollama-exporter"
        not in load_changed({"monitoring": {"target": "laptop"}, "engines": engines}, tmp_path).roles()
    )


def test_what_only_a_registry_offers_is_optional(tmp_path: Path) -> None:
    own = {"monitoring": {"target": "laptop"}, "targets": {"laptop": {"kind": "docker", "gpus": 1}}}
    assert load_changed(own, tmp_path).optional_roles() == ["dcgm-exporter", "grafana"]


def test_monitoring_is_where_the_gateway_is(tmp_path: Path) -> None:
    both = {"laptop": {"kind": "docker"}, "other": {"kind": "docker", "host": "unix:///other.sock"}}
    refused(tmp_path, {"target": "other"}, "monitoring.target", "set target: laptop", targets=both)
    refused(tmp_path, {"target": "lapptop"}, "monitoring.target", "did you mean 'laptop'")


def test_an_engine_may_not_have_the_name_of_a_part(tmp_path: Path) -> None:
    loki = {"kind": "llamacpp", "target": "laptop", "model": "gemma-3-270m"}
    refused(tmp_path, {}, "engines.loki", "choose another name", engines={"loki": loki})


@pytest.mark.parametrize(
    ("receiver", "words"),
    [
        ({"kind": "webhook"}, ("give url, or url_secret",)),
        ({"kind": "webhook", "url": "https://x.example.org/hook?key=abc"}, ("keep it as a secret: url_secret",)),
        ({"kind": "webhook", "url_secret": "https://hooks.example.org/abc"}, ("give the name of a secret",)),
        ({"kind": "email", "to": "a@b.c", "sender": "d@e.f", "smarthost": "mail.example.org"}, ("host:587",)),
        ({"kind": "pager"}, ("pager",)),
        ({**HOOK, "severities": ["warning"]}, ("add critical to severities",)),
        ({**HOOK, "severities": []}, ("severities",)),
    ],
)
def test_a_receiver_that_would_lose_alerts_or_leak_a_key_is_refused(
    tmp_path: Path, receiver: dict[str, Any], words: tuple[str, ...]
) -> None:
    refused(tmp_path, {"receivers": {"ops": receiver}}, *words)


def test_control_54_credentials_of_receivers_are_names_of_secrets(tmp_path: Path) -> None:
    slack = {"kind": "slack", "url_secret": "slack-hook", "channel": "#alarm"}
    settings = load_changed({"monitoring": {"target": "laptop", "receivers": {"team": slack, "ops": HOOK}}}, tmp_path)
    assert settings.secret_names() == ["slack-hook"]


def test_pages_that_leave_the_machine_need_tls_and_an_address(tmp_path: Path) -> None:
    refused(tmp_path, {"grafana": {"bind": "0.0.0.0"}}, "TLS is required")
    tls = {"certificate": "grafana-certificate", "key": "grafana-key"}
    refused(tmp_path, {"grafana": {"bind": "0.0.0.0", "tls": tls}}, "set url")
    refused(tmp_path, {"grafana": {"tls": tls, "url": "http://grafana.example.org"}}, "is not encrypted and tls is")
    own = {"bind": "0.0.0.0", "tls": tls, "url": "https://grafana.example.org"}
    settings = load_changed({"monitoring": {"target": "laptop", "grafana": own}}, tmp_path)
    assert settings.secret_names() == ["grafana-certificate", "grafana-key"]


def test_pages_have_a_port_of_their_own(tmp_path: Path) -> None:
    refused(tmp_path, {"grafana": {"port": 8080}}, "monitoring.grafana.port", "8080 is the port of gateway already")


def test_sizes_and_days_are_positive(tmp_path: Path) -> None:
    refused(tmp_path, {"retention": {"logs_days": 0}}, "retention.logs_days")
    refused(tmp_path, {"retention": {"metrics_gib": 0.1}}, "retention.metrics_gib")


def test_a_stack_with_every_engine_can_be_described(tmp_path: Path) -> None:
    assert described(tmp_path).monitoring is not None
