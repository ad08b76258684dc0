"""Requests and tokens by API key: what is counted has an end, names no key, and begins again without harm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.monitoring import collector, key_counts
from components.monitoring.rules.keys import keys
from components.monitoring.rules.rule import rule_file
from components.targets.kubernetes.network import policies
from components.targets.placement import Caller, Surroundings
from tests.unit.kubernetes_samples import names, service
from tests.unit.monitoring_samples import described, planned
from tests.unit.test_monitoring_rules_alerts import promtool, run

pytestmark = pytest.mark.unit
__all__ = ["promtool"]

IMAGE = "sha256:" + "c" * 64


def documents() -> list[dict[str, Any]]:
    """The collector's configuration on a Docker host and on a node."""
    made = (
        collector.workload("loki:3100", "dev", IMAGE),
        collector.node_workload("loki:3100", ("slm", "slm-node-agents"), IMAGE),
    )
    return [yaml.safe_load(workload.files[0].content) for workload in made]


def test_labels_are_the_keys_id_and_what_a_stack_file_bounds() -> None:
    for document in documents():
        counts = document["connectors"]["signal_to_metrics"]["logs"]
        labels = {attribute["key"] for count in counts for attribute in count["attributes"]}
        assert labels == {"key", "model", "code_class", "direction"}
        assert {count["name"] for count in counts} == {key_counts.REQUESTS, key_counts.TOKENS}
        assert document["processors"]["delta_to_cumulative"]["max_streams"] == key_counts.MOST_SERIES


def test_what_loki_does_not_take_and_is_tried_again_is_counted_once() -> None:
    """Who counts reads for himself, from the end, and is behind no exporter that refuses."""
    for document in documents():
        pipelines = document["service"]["pipelines"]
        assert pipelines["logs"] == {
            "receivers": ["file_log"],
            "processors": ["memory_limiter"],
            "exporters": ["otlp_http"],
        }
        [receiver] = pipelines["logs/keys"]["receivers"]
        assert receiver not in pipelines["logs"]["receivers"]
        assert document["receivers"][receiver]["start_at"] == "end"
        assert document["receivers"]["file_log"]["start_at"] == "beginning"


def test_on_a_node_only_the_gateways_files_are_read_a_second_time() -> None:
    _, node = documents()
    assert node["receivers"]["file_log/keys"]["include"] == ["/logs/slm_gateway-*/gateway/*.log"]


def test_prometheus_alone_asks_and_on_both_ports(tmp_path: Path) -> None:
    found = planned(described(tmp_path, {"grafana": None}))["collector"].around.callers
    assert found == (Caller("prometheus", collector.PORT), Caller("prometheus", key_counts.PORT))


def test_control_31_a_caller_of_two_ports_is_let_to_both_by_one_policy() -> None:
    made = policies(service(), Surroundings(callers=(Caller("a", 8888), Caller("a", 8889), Caller("b"))), names())
    sent = {one["metadata"]["name"]: one["spec"]["egress"] for one in made if "egress" in one["spec"]}
    assert len(made) == 3, "one for what comes in, one for each caller"
    assert [port["port"] for port in sent["from-a-to-chat"][0]["ports"]] == [8888, 8889]
    assert [port["port"] for port in sent["from-b-to-chat"][0]["ports"]] == [8000]


def test_a_collector_that_begins_again_takes_nothing_away_and_nothing_twice(promtool: str, tmp_path: Path) -> None:
    """Two a second from one collector, which begins again after ten minutes, and one a second from another node's."""
    (tmp_path / "rules.yml").write_text(rule_file("rules.yml", (keys(),)).content)
    asked = f'{key_counts.REQUESTS}_total{{job="collector",key="dev-1",model="phi",code_class="2xx",instance='
    told = f'{key_counts.TOKENS}_total{{job="collector",key="dev-1",model="phi",direction="out",instance="a"}}'
    series = [
        {"series": f'{asked}"a"}}', "values": "0+120x10 120+120x20"},
        {"series": f'{asked}"b"}}', "values": "0+60x30"},
        {"series": told, "values": "0+600x30"},
    ]

    def expected(name: str, labels: str, value: float, minute: int) -> dict[str, Any]:
        sample = {"labels": f'{name}{{key="dev-1",model="phi",{labels}}}', "value": value}
        return {"expr": name, "eval_time": f"{minute}m", "exp_samples": [sample]}

    tests = [
        *(expected("slm:key_requests:rate5m", 'code_class="2xx"', 3, minute) for minute in (9, 13, 25)),
        expected("slm:key_tokens:rate5m", 'direction="out"', 10, 20),
    ]
    document = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": tests}],
    }
    (tmp_path / "case.yml").write_text(yaml.safe_dump(document))
    run(promtool, "test", "rules", str(tmp_path / "case.yml"))
