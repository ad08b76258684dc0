"""The parts of monitoring: hardened, bounded in time and size, and connected to nobody they need not reach."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.gateway import INTERNAL_PORT
from components.monitoring import alertmanager, collector, loki, prometheus
from components.monitoring.parts import reserved_names
from components.plan import monitoring_mib
from components.targets.placement import Caller
from tests.unit.monitoring_samples import PARTS, described, planned
from tests.unit.settings_base import DIGEST, load_changed

pytestmark = pytest.mark.unit


def file_of(workload: Any, name: str) -> dict[str, Any]:
    [content] = [file.content for file in workload.files if file.name == name]
    document: dict[str, Any] = yaml.safe_load(content)
    return document


def test_a_stack_with_monitoring_has_every_part_and_without_it_none(tmp_path: Path) -> None:
    settings = described(tmp_path, {"grafana": None})
    assert set(planned(settings)) - {*settings.hosted, "gateway"} == PARTS
    bare = load_changed({}, tmp_path).model_copy(update={"images": settings.images})
    assert not reserved_names() & planned(bare).keys()
    assert reserved_names() >= PARTS


def test_grafana_is_left_out_where_its_image_is_not_known(tmp_path: Path) -> None:
    settings = described(tmp_path)
    images = {role: image for role, image in settings.images.items() if role != "grafana"}
    assert "grafana" not in planned(settings.model_copy(update={"images": images}))


def test_control_01_no_description_of_a_part_asks_for_root(tmp_path: Path) -> None:
    assert {
        p.workload.user for name, p in planned(described(tmp_path, {"grafana": None})).items() if name in PARTS
    } == {10001}


def test_control_09_nothing_of_monitoring_but_grafana_is_published(tmp_path: Path) -> None:
    exposed = {name for name, p in planned(described(tmp_path, {"grafana": None})).items() if p.around.exposure}
    assert exposed == {"gateway"}


def test_control_10_no_part_may_go_out_but_the_one_that_sends_alerts(tmp_path: Path) -> None:
    hook = {"ops": {"kind": "webhook", "url": "http://alarm.example.org:8080/in"}}
    silent = planned(described(tmp_path, {"grafana": None}))
    assert not any(silent[name].workload.egress for name in PARTS)
    sending = planned(described(tmp_path, {"grafana": None, "receivers": hook}))
    assert {name for name in PARTS if sending[name].workload.egress} == {"alertmanager"}
    [outside] = sending["alertmanager"].around.outside
    assert (outside.host, outside.port) == ("alarm.example.org", 8080)


def test_control_11_only_agents_see_anything_of_the_machine(tmp_path: Path) -> None:
    views = {
        name: p.around.view for name, p in planned(described(tmp_path, {"grafana": None})).items() if p.around.view
    }
    assert views == {"collector": "container-logs", "engine-api": "container-engine", "cadvisor": "control-groups"}


def test_control_11_who_has_the_engines_socket_meets_nobody_but_who_asks_it(tmp_path: Path) -> None:
    stack = planned(described(tmp_path, {"grafana": None}))
    assert stack["engine-api"].around.circles == ("engine-api",)
    assert {name for name, p in stack.items() if "engine-api" in p.around.circles} == {"engine-api", "cadvisor"}
    assert "engines" not in stack["cadvisor"].around.circles


def test_control_31_engines_meet_only_who_asks_them_for_figures(tmp_path: Path) -> None:
    stack = planned(described(tmp_path, {"grafana": None}))
    both = {name for name, p in stack.items() if "engines" in p.around.circles and name in PARTS}
    assert both == {"prometheus", "blackbox", "ollama-exporter"}
    assert stack["vllm"].around.callers == (Caller("gateway"), Caller("prometheus"))
    assert stack["ollama"].around.callers == (Caller("gateway"), Caller("ollama-exporter"))
    assert Caller("prometheus", INTERNAL_PORT) in stack["gateway"].around.callers
    images = described(tmp_path).images
    alone = planned(load_changed({}, tmp_path).model_copy(update={"images": images}))
    assert alone["chat"].around.callers == (Caller("gateway"),)


def test_control_53_prometheus_cannot_be_changed_by_http_and_keeps_within_time_and_size(tmp_path: Path) -> None:
    settings = described(tmp_path, {"retention": {"metrics_days": 3, "metrics_gib": 1.5}, "grafana": None})
    workload = planned(settings)["prometheus"].workload
    words = " ".join(workload.args)
    assert not [flag for flag in ("enable-admin-api", "enable-lifecycle", "remote-write-receiver") if flag in words]
    document = file_of(workload, "prometheus.yml")
    assert document["storage"]["tsdb"]["retention"] == {"time": "3d", "size": "1536MB"}
    [volume] = workload.volumes
    assert volume.size_gib > 1.5
    assert volume.keep
    assert document["rule_files"] == ["/etc/slm/records.yml", "/etc/slm/alerts.yml"]
    assert document["global"]["external_labels"] == {"stack": "dev"}


def test_loki_keeps_within_time_and_takes_in_no_more_than_its_size_holds(tmp_path: Path) -> None:
    settings = described(tmp_path, {"retention": {"logs_days": 2, "logs_gib": 1}, "grafana": None})
    document = file_of(planned(settings)["loki"].workload, "loki.yml")
    limits = document["limits_config"]
    assert limits["retention_period"] == "48h"
    assert document["compactor"]["retention_enabled"] is True
    taken_in = limits["ingestion_rate_mb"] * 2 * 86400 / 1024
    assert taken_in == pytest.approx(loki.COMPRESSION, rel=0.01), "a GiB holds as much as compression makes of it"


def test_control_50_loki_tells_nobody_that_it_is_used(tmp_path: Path) -> None:
    document = file_of(planned(described(tmp_path, {"grafana": None}))["loki"].workload, "loki.yml")
    assert document["analytics"] == {"reporting_enabled": False}


def test_control_54_alertmanager_reads_credentials_from_files(tmp_path: Path) -> None:
    receivers = {
        "team": {"kind": "slack", "url_secret": "slack-hook", "channel": "#alarm"},
        "night": {"kind": "pagerduty", "key_secret": "pager-key", "severities": ["critical"], "watchdog": True},
        "mail": {
            "kind": "email",
            "to": "a@example.org",
            "sender": "b@example.org",
            "smarthost": "mail.example.org:587",
            "username": "b",
            "password_secret": "mail-password",
        },
    }
    workload = planned(described(tmp_path, {"receivers": receivers, "grafana": None}))["alertmanager"].workload
    document = file_of(workload, "alertmanager.yml")
    own = {entry["name"]: entry for entry in document["receivers"]}
    assert own["team"]["slack_configs"][0]["api_url_file"] == "/etc/slm/receiver-team"
    assert own["night"]["pagerduty_configs"][0]["routing_key_file"] == "/etc/slm/receiver-night"
    assert own["mail"]["email_configs"][0]["auth_password_file"] == "/etc/slm/receiver-mail"
    assert {s.name: s.secret for s in workload.secrets} == {
        "receiver-team": "slack-hook",
        "receiver-night": "pager-key",
        "receiver-mail": "mail-password",
    }
    first, *routes = document["route"]["routes"]
    assert first["matchers"] == ['alertname="Watchdog"']
    assert [route["receiver"] for route in first["routes"]] == ["night"]
    assert {route["receiver"]: route["matchers"] for route in routes} == {
        "team": ['severity=~"critical|warning"'],
        "night": ['severity=~"critical"'],
        "mail": ['severity=~"critical|warning"'],
    }


def test_without_receivers_alerts_stay_where_people_look(tmp_path: Path) -> None:
    document = yaml.safe_load(alertmanager.configuration({}))
    assert document["receivers"] == [{"name": "nobody"}]
    assert document["route"]["receiver"] == "nobody"


def test_the_collector_reads_lines_of_its_own_stack_alone() -> None:
    document = file_of(collector.workload("loki:3100", "dev", DIGEST), "collector.yml")
    operators = document["receivers"]["file_log"]["operators"]
    [chosen] = [operator for operator in operators if operator["type"] == "filter"]
    assert 'attributes.attrs["slm.stack"] != "dev"' in chosen["expr"]
    assert document["exporters"]["otlp_http"]["endpoint"] == "http://loki:3100/otlp"


def test_the_gateway_is_called_as_a_client_without_a_key_would(tmp_path: Path) -> None:
    tls = {"certificate": "a", "key": "b"}
    for gateway, scheme in (({}, "http"), ({"tls": tls}, "https")):
        settings = described(tmp_path, {"grafana": None}, gateway=gateway)
        stack = planned(settings)
        module = file_of(stack["blackbox"].workload, "blackbox.yml")["modules"]["gateway_asks_for_a_key"]
        assert module["http"]["valid_status_codes"] == [401]
        assert module["http"]["headers"] == {"Host": "localhost"}
        assert module["http"].get("fail_if_not_ssl", False) is (scheme == "https")
        jobs = file_of(stack["prometheus"].workload, "prometheus.yml")["scrape_configs"]
        [job] = [job for job in jobs if job["job_name"] == "blackbox"]
        assert job["params"]["target"] == [f"{scheme}://gateway:8080/v1/models"]


def test_what_all_parts_may_take_is_known_before_anything_is_built(tmp_path: Path) -> None:
    settings = load_changed({"monitoring": {"target": "laptop", "grafana": None}}, tmp_path)
    assert 1000 < monitoring_mib(settings) < 3000
    assert monitoring_mib(load_changed({}, tmp_path)) == 0
    more = load_changed({"monitoring": {"target": "laptop", "grafana": None, "prometheus_mib": 1024}}, tmp_path)
    assert monitoring_mib(more) - monitoring_mib(settings) == 512


def test_prometheus_reads_its_files_again_without_a_restart(tmp_path: Path) -> None:
    stack = planned(described(tmp_path, {"grafana": None}))
    assert {name for name in PARTS if stack[name].workload.reload_signal} == {"prometheus", "alertmanager", "blackbox"}


def test_a_target_with_too_many_series_is_refused_before_it_fills_memory(tmp_path: Path) -> None:
    document = file_of(planned(described(tmp_path, {"grafana": None}))["prometheus"].workload, "prometheus.yml")
    assert document["global"]["sample_limit"] == prometheus.MOST_SAMPLES


def test_every_file_of_a_part_is_one_that_its_program_reads(tmp_path: Path) -> None:
    for name, p in planned(described(tmp_path, {"grafana": None})).items():
        for file in p.workload.files if name in PARTS else ():
            if file.name.endswith((".yml", ".json")):
                assert (json.loads if file.name.endswith(".json") else yaml.safe_load)(file.content), file.name


def test_a_part_whose_image_was_missing_here_is_left_out_though_the_catalogue_pins_it(tmp_path: Path) -> None:
    gpus = {"targets": {"laptop": {"kind": "docker", "gpus": 1}}}
    settings = described(tmp_path, **gpus).model_copy(update={"left_out": ("grafana", "dcgm-exporter")})
    assert not {"grafana", "dcgm-exporter"} & planned(settings).keys()
    document = file_of(planned(settings)["prometheus"].workload, "prometheus.yml")
    assert "dcgm" not in [job["job_name"] for job in document["scrape_configs"]]
