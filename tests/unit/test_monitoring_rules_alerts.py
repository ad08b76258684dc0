"""Every alert fires when it should, is silent when it should be, and ends: judged by Prometheus's own test program."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.monitoring.rules import (
    TARGET_LABELS,
    Alert,
    EngineFacts,
    Facts,
    Group,
    Record,
    alert_groups,
    alerts,
    files,
    recording_groups,
    records,
)
from components.monitoring.rules.rule import rule_file
from tests.fixtures.metrics.capture import samples
from tests.unit.monitoring_rules_cases import CASES, Case
from tests.unit.monitoring_rules_fixtures import FOLDER, index
from tests.unit.monitoring_rules_queries import selectors
from tests.unit.monitoring_rules_samples import FACTS
from tools.installer import Installer

pytestmark = pytest.mark.unit

BY_NAME = {alert.name: alert for alert in alerts()}
GROUPS = (*recording_groups(FACTS), *alert_groups())


@pytest.fixture(scope="session")
def promtool() -> str:
    """Prometheus's own checker: the one named by SLM_PROMTOOL, else the project's tool."""
    if named := os.environ.get("SLM_PROMTOOL"):
        return named
    installer = Installer()
    installer.ensure(["prometheus"])
    return str(installer.folder("prometheus") / "promtool")


def needed(wanted: set[str]) -> tuple[Group, ...]:
    """Of the stack's groups only those alerts, and the records they are made of: all of them take a minute each day."""
    by_name: dict[str, list[Record]] = {}
    for record in records(FACTS):
        by_name.setdefault(record.name, []).append(record)
    names, expressions = set[str](), [BY_NAME[name].expr for name in wanted]
    while expressions:
        for selector in selectors(expressions.pop()):
            means = next((m.value for m in selector.matchers.matchers if m.name == "__name__"), selector.name or "")
            for name, rules in by_name.items():
                if name not in names and re.fullmatch(means, name):
                    names.add(name)
                    expressions += [rule.expr for rule in rules]
    kept = ((group, tuple(r for r in group.rules if r.name in names | wanted)) for group in GROUPS)
    return tuple(group.model_copy(update={"rules": rules}) for group, rules in kept if rules)


def run(promtool: str, *arguments: str) -> None:
    done = subprocess.run([promtool, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def firing(alert: Alert, minute: int | None, labels: dict[str, str] | None) -> list[dict[str, Any]]:
    """The test that the alert fires at that minute with these labels and no others; None for: does not fire."""
    if minute is None:
        return []
    query = f'ALERTS{{alertname="{alert.name}",alertstate="firing"}}'
    sample = {"alertname": alert.name, "alertstate": "firing", "severity": alert.severity, **(labels or {})}
    written = ",".join(f'{name}="{value}"' for name, value in sample.items())
    expected = [] if labels is None else [{"labels": f"ALERTS{{{written}}}", "value": 1}]
    return [{"expr": query, "eval_time": f"{minute}m", "exp_samples": expected}]


def document(case: Case) -> dict[str, Any]:
    alert = BY_NAME[case.alert]
    queries = [
        *firing(alert, case.silent, None),
        *firing(alert, case.fires, case.labels),
        *firing(alert, case.over, None),
        *(test for other in case.quiet for test in firing(BY_NAME[other], case.fires, None)),
    ]
    series = [{"series": name, "values": values} for name, values in case.series.items()]
    return {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "group_eval_order": [f"slm-{group.name}" for group in needed({case.alert, *case.quiet})],
        "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": queries}],
    }


def judge(case: Case, promtool: str, folder: Path) -> None:
    (folder / "rules.yml").write_text(rule_file("rules.yml", needed({case.alert, *case.quiet})).content)
    (folder / "case.yml").write_text(yaml.safe_dump(document(case), sort_keys=False))
    run(promtool, "test", "rules", str(folder / "case.yml"))


@pytest.mark.parametrize("case", CASES, ids=[f"{c.alert}{f' ({c.note})' if c.note else ''}" for c in CASES])
def test_it_fires_when_it_should_is_silent_before_and_ends(case: Case, promtool: str, tmp_path: Path) -> None:
    judge(case, promtool, tmp_path)


def test_there_is_a_case_for_every_alert_and_for_no_other() -> None:
    assert {case.alert for case in CASES} == set(BY_NAME)


def test_every_case_has_its_alert_silent_before_and_over_at_the_end_but_those_that_cannot_be() -> None:
    for case in CASES:
        always = not case.series or case.alert == "Watchdog"
        assert (case.silent is None) == always, case.alert
        assert (case.over is None) == always, case.alert
        if case.silent is not None and case.over is not None:
            assert case.silent < case.fires < case.over, case.alert


def test_without_any_figure_only_that_is_alarming(promtool: str, tmp_path: Path) -> None:
    missing = ("Watchdog", "GatewayDown", "TargetMissing")
    silent = tuple(alert.name for alert in alerts() if alert.name not in missing)
    judge(Case("Watchdog", {}, silent=None, fires=30, over=None, quiet=silent), promtool, tmp_path)


def test_nothing_is_alarming_in_what_real_programs_said(promtool: str, tmp_path: Path) -> None:
    """Every figure that the fixtures have, standing still for half an hour, with every target up."""
    expressions = [rule.expr for group in GROUPS for rule in group.rules]
    asked = {selector.name for expr in expressions for selector in selectors(expr)}
    series = {f'up{{job="{job}",instance="x"}}': "1x30" for job in TARGET_LABELS if job != "dcgm"}
    for stem, row in index().items():
        if row["job"] == "dcgm":
            continue  # What it says is invented.
        added = {"job": row["job"], "instance": "x", **dict.fromkeys(TARGET_LABELS[row["job"]], row["job"])}
        for sample in samples((FOLDER / f"{stem}.prom").read_text()):
            workload = sample.labels.get("container_label_slm_workload")
            if sample.name in asked and workload != "":  # What is of no stack is not kept.
                own = {f"exported_{k}" if k in added else k: v for k, v in sample.labels.items()} | added
                own |= {"workload": workload} if workload else {}
                written = ",".join(f"{k}={json.dumps(v)}" for k, v in own.items())
                series[f"{sample.name}{{{written}}}"] = f"{sample.value:.15g}x30"
    assert len(series) > 250
    well = Facts(engines=tuple(EngineFacts(name=kind, kind=kind, model=kind) for kind in ("vllm", "llamacpp", "onnx")))
    (tmp_path / "rules.yml").write_text(rule_file("r.yml", (*recording_groups(well), *alert_groups())).content)
    query = {"expr": 'count by (alertname) (ALERTS{alertstate="firing"})', "eval_time": "30m"}
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [query | {"exp_samples": [{"labels": '{alertname="Watchdog"}', "value": 1}]}],
    }
    document = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "case.yml").write_text(yaml.safe_dump(document))
    run(promtool, "test", "rules", str(tmp_path / "case.yml"))


def test_prometheus_takes_the_rule_files(promtool: str, tmp_path: Path) -> None:
    for file in files(FACTS):
        (tmp_path / file.name).write_text(file.content)
        run(promtool, "check", "rules", str(tmp_path / file.name))
