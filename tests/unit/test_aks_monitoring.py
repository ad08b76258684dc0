"""What Azure's managed Prometheus is told: the stack's own jobs and rules, in Azure's words and within its limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from components.monitoring.azure_managed import MOST_RULES, iso_duration, rule_groups
from components.monitoring.rules import Alert, Group, alerts
from components.monitoring.settings import Monitoring
from components.program import managed
from components.settings import Settings, SettingsError, load
from components.targets.aks.monitoring import config_maps
from components.targets.aks.watched import Watched
from rehearsal.providers.azure.rules import rule_failures

pytestmark = pytest.mark.unit

PROJECT = Path(__file__).resolve().parents[2]
IMAGES = {role: f"docker.io/slm/{role}:1@sha256:{'a' * 64}" for role in ("fetch", "ollama-exporter")}


def prod(**monitoring: Any) -> Settings:
    own = {"kind": "azure-managed", "target": "cloud", **monitoring}
    return load("prod", PROJECT, {"slm:images": IMAGES, "slm:monitoring": own})


@pytest.fixture(scope="module")
def watched() -> Watched:
    found = managed(prod(emails=["ops@example.org"]), "cloud", "prod")
    assert found
    return found


def test_its_agent_asks_engines_gateway_and_kubelets_and_nothing_that_does_not_run(watched: Watched) -> None:
    jobs = {job["job_name"]: job for job in yaml.safe_load(watched.scrape)["scrape_configs"]}
    assert set(jobs) == {"ollama", "gateway", "blackbox", "cadvisor"}
    (found_by,) = jobs["gateway"]["dns_sd_configs"]
    assert found_by["names"] == ["gateway-copies.slm.svc.cluster.local"], "each copy is asked"
    assert jobs["cadvisor"]["kubernetes_sd_configs"] == [{"role": "node"}]
    maps = {one["metadata"]["name"]: one for one in config_maps(watched)}
    assert {one["metadata"]["namespace"] for one in maps.values()} == {"kube-system"}
    assert maps["ama-metrics-prometheus-config"]["data"]["prometheus-config"] == watched.scrape
    assert "cadvisor = false" in maps["ama-metrics-settings-configmap"]["data"]["default-scrape-settings-enabled"]


def test_every_group_is_one_that_azure_takes(watched: Watched) -> None:
    assert len(watched.groups) > 5
    for group in watched.groups:
        told = {"interval": "PT1M", "rules": list(group.rules)}
        assert list(rule_failures("alertsmanagement:PrometheusRuleGroup", told)) == [], group.name


def test_the_alerts_are_the_same_but_for_those_of_parts_that_azure_runs(watched: Watched) -> None:
    told = {rule["alert"] for group in watched.groups for rule in group.rules if "alert" in rule}
    own = {alert.name for alert in alerts()}
    assert told < own
    assert {"EngineDown", "Watchdog", "TargetMissing", "ErrorBudgetBurnFast", "WorkloadRestarted"} <= told
    left = own - told
    assert left
    assert all(
        name.startswith(("Prometheus", "Alertmanager", "Log", "Scrape", "Backup", "Forwarding")) for name in left
    ), left
    records = [rule["record"] for group in watched.groups for rule in group.rules if "record" in rule]
    assert "slm:up" in records


def test_azure_is_told_the_age_of_keys_as_well() -> None:
    own = {"kind": "azure-managed", "target": "cloud", "key_max_age_days": 30}
    dates = [{"id": "key-3", "made": "2026-11-27T05:00:00+00:00"}]
    found = managed(
        load("prod", PROJECT, {"slm:images": IMAGES, "slm:monitoring": own, "slm:keys_made": dates}), "cloud", "prod"
    )
    assert found
    rules = {rule.get("record", rule.get("alert")): rule for group in found.groups for rule in group.rules}
    assert rules["slm:key_made_timestamp_seconds"]["labels"] == {"key": "key-3"}
    assert rules["slm:key_made_timestamp_seconds"]["expression"] == "vector(1795755600)"
    assert rules["slm:key_max_age_seconds"]["expression"] == f"vector({30 * 86400})"
    assert "ApiKeyOld" in rules


def test_more_rules_than_a_group_takes_become_several_in_their_order() -> None:
    many = [
        Alert(name=f"A{number}", expr="up == 0", severity="info", summary="something is wrong with it")
        for number in range(MOST_RULES + 3)
    ]
    first, second = rule_groups([Group(name="many", rules=tuple(many))])
    assert (first.name, len(first.rules), second.name, len(second.rules)) == ("many-1", MOST_RULES, "many-2", 3)
    assert second.rules[0]["alert"] == f"A{MOST_RULES}"


def test_a_group_that_is_too_large_or_mixed_up_is_refused_by_the_stand_in() -> None:
    rule = {"record": "slm:up", "expression": "up"}
    wrong = {"interval": "PT30S", "rules": [rule] * (MOST_RULES + 1) + [{**rule, "alert": "A", "for": "2m"}]}
    paths = {f.path for f in rule_failures("alertsmanagement:PrometheusRuleGroup", wrong)}
    assert {"interval", "rules", f"rules[{MOST_RULES + 1}]", f"rules[{MOST_RULES + 1}].for"} <= paths


@pytest.mark.parametrize(("told", "iso"), [("90s", "PT90S"), ("10m", "PT10M"), ("2h", "PT2H"), ("3d", "P3D")])
def test_durations_are_iso_ones(told: str, iso: str) -> None:
    assert iso_duration(told) == iso


def test_nothing_of_prometheus_runs_where_azure_does_it() -> None:
    settings = prod()
    assert settings.monitoring
    assert {"prometheus", "loki", "alertmanager", "collector", "grafana"} & set(settings.roles()) == set()
    assert settings.optional_roles() == []
    assert managed(prod(grafana=None), "cloud", "prod").grafana is False  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("retention", {"metrics_days": 3}, "retention"),
        ("prometheus_mib", 1024, "prometheus_mib"),
        ("grafana", {"port": 3002}, "Grafana"),
        ("scrape_seconds", 120, "60 or less"),
        ("emails", ["nobody"], "string"),
    ],
)
def test_what_azure_decides_cannot_be_said(field: str, value: Any, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Monitoring.model_validate({"kind": "azure-managed", "target": "cloud", field: value})


def test_our_own_prometheus_is_refused_on_aks_with_the_way_that_works() -> None:
    with pytest.raises(SettingsError, match="azure-managed"):
        load("prod", PROJECT, {"slm:monitoring": {"kind": "prometheus", "emails": []}, "slm:images": IMAGES})


def test_azures_monitoring_is_refused_elsewhere() -> None:
    with pytest.raises(SettingsError, match="kind: prometheus"):
        load("dev", PROJECT, {"slm:monitoring": {"kind": "azure-managed", "target": "laptop"}})
