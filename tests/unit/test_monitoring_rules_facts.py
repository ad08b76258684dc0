"""What the rules know of a stack is what its description says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.monitoring.rules import Facts, Objectives, Record, alerts, facts, files, records, rule_files
from components.monitoring.rules.facts import MIB
from components.monitoring.rules.objectives import FIRST_TOKEN_EDGES, TOKEN_EDGES
from components.settings import Settings, load
from components.targets.kubernetes.controllers import controller
from components.targets.kubernetes.names import Names
from components.targets.kubernetes.site import ClusterSite
from components.targets.placement import Surroundings
from tests.unit.monitoring_rules_samples import FACTS, IMAGE
from tests.unit.settings_base import load_changed

pytestmark = pytest.mark.unit

PROJECT = Path(__file__).resolve().parents[2]
QWEN = "qwen2.5-coder-0.5b-instruct"
LAPTOP = {"kind": "ollama", "target": "laptop", "model": QWEN}
OUTSIDE = {"kind": "external", "target": "laptop", "url": "https://models.example.org/v1", "model": "gpt-oss"}


def pinned(settings: Settings) -> Settings:
    return settings.model_copy(update={"images": dict.fromkeys(settings.roles(), f"example/engine:1@{IMAGE}")})


def known(settings: Settings) -> Facts:
    return facts(settings, [settings.workload_of(name) for name in settings.hosted], ["gateway", "gateway", "node"])


def by_name(of: Facts) -> dict[str, Any]:
    return {engine.name: engine for engine in of.engines}


def values(of: Facts) -> dict[tuple[str, str], tuple[float, dict[str, str]]]:
    """The constants that are recorded, by name and engine or workload."""
    found = {}
    for record in records(of):
        if record.expr.startswith("vector(") and record.expr.count("(") == 1:
            owner = record.labels.get("engine") or record.labels.get("workload") or record.labels.get("job", "")
            found[record.name, owner] = (float(record.expr[7:-1]), record.labels)
    return found


def test_an_engine_on_this_machine_has_its_prediction_and_no_price(tmp_path: Path) -> None:
    settings = pinned(load_changed({"engines": {"chat": LAPTOP, "far": OUTSIDE}}, tmp_path))
    of = known(settings)
    chat = by_name(of)["chat"]
    footprint = settings.hosted["chat"].footprint(settings.model_of("chat"))
    assert (chat.kind, chat.model, chat.least) == ("ollama", QWEN, 1)
    assert chat.predicted_bytes == footprint.host_mib * MIB
    assert chat.usd_per_hour is None
    assert of.jobs == ("gateway", "node")
    [workload] = of.workloads
    assert workload.limit_bytes == settings.workload_of("chat").resources.memory_mib * MIB
    assert workload.image == IMAGE


def test_a_limit_is_the_one_that_the_target_sets(tmp_path: Path) -> None:
    """Were it another one, every workload of a cluster would be told to differ from its description."""
    cluster = {"kind": "kubernetes", "kubeconfig": "/etc/k3s.yaml"}
    settings = pinned(load_changed({"engines": {"chat": LAPTOP}, "targets": {"laptop": cluster}}, tmp_path))
    service = settings.workload_of("chat")
    [workload] = facts(settings, [service], []).workloads
    site = ClusterSite(namespace="slm")
    container = controller(service, Surroundings(), Names(site, "dev"))["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"]["memory"] == f"{workload.limit_bytes // MIB}Mi"
    assert workload.limit_bytes > service.resources.memory_mib * MIB, "its shared memory counts as well"


def test_an_endpoint_that_someone_else_runs_has_a_name_and_a_model_only(tmp_path: Path) -> None:
    far = by_name(known(pinned(load_changed({"engines": {"chat": LAPTOP, "far": OUTSIDE}}, tmp_path))))["far"]
    assert far.model_dump(exclude_defaults=True) == {"name": "far", "kind": "external", "model": "gpt-oss"}
    constants = values(Facts(engines=(far,)))
    assert ("slm:engine_info", "far") in constants
    assert ("slm:memory_predicted_bytes", "far") not in constants


def test_an_engine_in_the_cloud_costs_its_share_of_a_node() -> None:
    settings = load("prod", PROJECT)
    chat = by_name(facts(settings, [], []))["chat"]
    pool = settings.targets["cloud"].pools["gpu"]  # type: ignore[union-attr]
    assert pool.size is not None
    assert pool.size.usd_per_hour is not None
    assert chat.usd_per_hour == pytest.approx(pool.size.usd_per_hour, rel=0.5)
    assert values(facts(settings, [], []))["slm:copy_usd_per_hour", "chat"][0] == pytest.approx(chat.usd_per_hour)


def test_a_stacks_own_price_goes_before_the_list(tmp_path: Path) -> None:
    text = yaml.safe_load((PROJECT / "Pulumi.prod.yaml").read_text())
    text["config"]["slm:prices"] = {"Standard_NC4as_T4_v3": 9.0}
    (tmp_path / "Pulumi.prod.yaml").write_text(yaml.safe_dump(text))
    chat = by_name(facts(load("prod", tmp_path), [], []))["chat"]
    assert chat.usd_per_hour == 9.0


def test_the_image_is_compared_where_the_target_tells_it_only() -> None:
    settings = load("prod", PROJECT)
    settings = pinned(settings)
    [workload] = facts(settings, [settings.workload_of("chat")], []).workloads
    assert workload.image is None


def test_an_engine_that_may_rest_is_wanted_no_time(tmp_path: Path) -> None:
    text = yaml.safe_load((PROJECT / "Pulumi.prod.yaml").read_text())
    text["config"]["slm:engines"]["chat"]["scaling"] = {"min": 0, "max": 1}
    (tmp_path / "Pulumi.prod.yaml").write_text(yaml.safe_dump(text))
    settings = load("prod", tmp_path)
    assert by_name(facts(settings, [], []))["chat"].least == 0


def test_every_constant_has_the_labels_of_what_it_is_about() -> None:
    for (name, owner), (value, labels) in values(FACTS).items():
        assert value >= 0, name
        if name.startswith(("slm:engine_info", "slm:copies", "slm:copy", "slm:memory")):
            assert set(labels) == {"engine", "kind", "model"}, name
        if name.startswith("slm:workload"):
            assert labels["workload"] == owner


def test_the_files_are_what_prometheus_reads_and_say_who_made_them(tmp_path: Path) -> None:
    made = rule_files(load_changed({"engines": {"chat": LAPTOP}}, tmp_path))
    assert [file.name for file in made] == ["records.yml", "alerts.yml"]
    for file in made:
        assert file.content.startswith("# Made by components/monitoring/rules")
        assert yaml.safe_load(file.content)["groups"]


def test_alerts_are_the_same_for_every_stack(tmp_path: Path) -> None:
    settings = load_changed({"engines": {"chat": LAPTOP}}, tmp_path)
    assert rule_files(settings)[1] == files(FACTS)[1]


def test_every_alert_has_its_severity_summary_and_page_in_the_file() -> None:
    rules = [rule for group in yaml.safe_load(files(FACTS)[1].content)["groups"] for rule in group["rules"]]
    for alert, rule in zip(alerts(), rules, strict=True):
        assert rule["alert"] == alert.name
        assert rule["labels"] == {"severity": alert.severity}
        assert rule["annotations"] == {"summary": alert.summary, "runbook_url": alert.page}
        assert rule.get("for") == alert.wait


def test_no_two_records_of_one_name_can_give_the_same_series() -> None:
    """Prometheus refuses a group in which they do, and all of its series are gone."""
    seen: set[tuple[str, str]] = set()
    for record in records(FACTS):
        key = (record.name, repr(sorted(record.labels.items())))
        assert key not in seen, key
        seen.add(key)


@pytest.mark.parametrize("seconds", [0.2, 3.0, 60.0])
def test_an_objective_between_two_edges_is_refused_with_those_that_can_be_had(seconds: float) -> None:
    with pytest.raises(ValueError, match=r"no edge of the engines' histograms.*choose one of 0\.1, 0\.25"):
        Objectives(first_token_seconds=seconds)


def test_an_objective_that_no_alert_could_guard_is_refused() -> None:
    with pytest.raises(ValueError, match=r"greater than or equal to 0\.94"):
        Objectives(availability=0.9)
    assert Objectives(first_token_seconds=FIRST_TOKEN_EDGES[0], token_seconds=TOKEN_EDGES[0]).availability == 0.99


@pytest.mark.parametrize("name", ["slm:Up", "up", "slm:a:b:c", "slm:"])
def test_a_recorded_series_is_named_as_all_of_them_are(name: str) -> None:
    with pytest.raises(ValueError, match="String should match pattern"):
        Record(name=name, expr="1")
