"""Drills: what they shorten, what they accept, and what they find wrong; the faults themselves are in tests/docker."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from components.monitoring.rules import alerts, files
from ops.drill import faster, stand_in
from ops.drill.command import DRILLS, named, table, written
from ops.drill.drill import Drill, Result
from ops.drill.faults_around import needs_a_cluster
from ops.drill.play import WAITS, fell, judged
from ops.drill.traffic import NO_ANSWER, Answer, counted
from ops.errors import UserError
from ops.machine import Machine
from tests.unit.monitoring_rules_samples import FACTS

pytestmark = pytest.mark.unit

FILES = {file.name: file.content for file in files(FACTS)}
ISSUE = 15
CONFIG = """
global: {scrape_interval: 15s, scrape_timeout: 10s, evaluation_interval: 15s, external_labels: {stack: dev}}
rule_files: [/etc/slm/alerts.yml]
scrape_configs:
- job_name: node
  static_configs: [{targets: ['node-exporter:9100']}]
  metric_relabel_configs: [{source_labels: [mountpoint], regex: x, action: keep}]
- job_name: blackbox
  scrape_interval: 60s
  metrics_path: /probe
  params: {module: [m]}
  static_configs: [{targets: ['blackbox:9115']}]
  relabel_configs: [{target_label: instance, replacement: there}]
"""


@pytest.mark.parametrize("name", sorted(FILES))
def test_shorter_rules_are_the_same_rules_with_shorter_times(name: str) -> None:
    before, after = yaml.safe_load(FILES[name]), yaml.safe_load(faster.rules(FILES[name]))
    window = re.compile(r"\[\d+[smhd](:\d+[smhd])?\]")
    pairs = [
        (old, new)
        for old_group, new_group in zip(before["groups"], after["groups"], strict=True)
        for old, new in zip(old_group["rules"], new_group["rules"], strict=True)
    ]
    assert pairs
    for old, new in pairs:
        assert window.sub("", old["expr"]) == window.sub("", new["expr"])
        assert {k: v for k, v in old.items() if k not in ("expr", "for", "keep_firing_for")} == {
            k: v for k, v in new.items() if k not in ("expr", "for", "keep_firing_for")
        }
        for key in ("for", "keep_firing_for"):
            if faster.looks_far_back(old["expr"]):
                assert new.get(key) == old.get(key)
            else:
                assert faster.seconds(new.get(key, "1s")) <= faster.WAIT_SECONDS
    assert {group["interval"] for group in after["groups"]} == {faster.EVERY}


@pytest.mark.parametrize(
    ("expression", "shorter"),
    [
        ("rate(x[5m])", "rate(x[60s])"),
        ("changes((x)[15m:30s])", "changes((x)[60s:5s])"),
        ("rate(x[1h])", "rate(x[60s])"),
        ("rate(x[2h])", "rate(x[2h])"),
        ("rate(x[30s])", "rate(x[30s])"),
        ('x{image=~"sha256:[0-9a-f]{64}"}', 'x{image=~"sha256:[0-9a-f]{64}"}'),
    ],
)
def test_windows_of_up_to_an_hour_become_a_minute(expression: str, shorter: str) -> None:
    text = yaml.safe_dump({"groups": [{"name": "g", "rules": [{"record": "r", "expr": expression}]}]})
    assert yaml.safe_load(faster.rules(text))["groups"][0]["rules"][0]["expr"] == shorter


def test_an_alert_that_looks_back_for_hours_waits_as_long_as_ever() -> None:
    """It would judge by the minutes that a stack is old: a disk that a drill filled would fill up for ever."""
    rules = {
        rule["alert"]: rule
        for text in FILES.values()
        for group in yaml.safe_load(faster.rules(text))["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    assert rules["DiskFillsSoon"]["for"] == "1h"
    assert rules["DiskNearlyFull"]["for"] == "10s"
    drilled = {name for drill in DRILLS for name in drill.alerts}
    assert not [name for name in drilled if faster.looks_far_back(rules[name]["expr"])]


def test_every_job_is_asked_often_and_only_one_gets_a_stand_in() -> None:
    plain = yaml.safe_load(faster.scrapes(CONFIG))
    assert plain["global"]["scrape_interval"] == plain["global"]["evaluation_interval"] == faster.EVERY
    assert plain["global"]["external_labels"] == {"stack": "dev"}
    assert not [c for c in plain["scrape_configs"] if "scrape_interval" in c]
    node, blackbox = yaml.safe_load(faster.scrapes(CONFIG, "stand-in:1", "blackbox", "/x"))["scrape_configs"]
    assert node == plain["scrape_configs"][0]
    assert blackbox == {
        "job_name": "blackbox",
        "metrics_path": "/x",
        "static_configs": [{"targets": ["stand-in:1"]}],
    }


def test_there_is_a_drill_for_each_fault_of_the_issue_and_an_alert_of_the_stack_for_each() -> None:
    assert len({drill.name for drill in DRILLS}) == len(DRILLS) == ISSUE
    known = {alert.name for alert in alerts()}
    for drill in DRILLS:
        assert set(drill.alerts) <= known, drill.name
    assert {drill.name for drill in DRILLS if not drill.alerts} == {"egress-denied", "key-rotation"}
    assert set(WAITS) == known


def test_a_fault_that_is_only_played_says_what_stands_for_it() -> None:
    assert {drill.name for drill in DRILLS if drill.stands_for} == {"target-refuses", "clock-skew", "certificate-ends"}


def test_what_cannot_be_had_here_is_named_with_its_reason() -> None:
    [drain] = [drill for drill in DRILLS if drill.name == "node-drain"]
    assert drain.left_out is needs_a_cluster
    shown = rendered([Result(name="node-drain", fault="x", note="needs a cluster")])
    assert "left out" in shown
    assert "needs a cluster" in shown


def test_drills_are_chosen_by_name_and_a_wrong_one_is_told() -> None:
    assert [drill.name for drill in named("freeze, kill")] == ["freeze", "kill"]
    assert named("") == list(DRILLS)
    with pytest.raises(UserError, match="no drill 'kil'"):
        named("kil")


DRILL = Drill("d", "f", DRILLS[0].act, ("EngineDown",), frozenset({200, 503}), longest=10)


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ([], "nobody asked"),
        ([Answer(0, 1, 200), Answer(0, 1, 500)], "somebody got 500"),
        ([Answer(0, 1, NO_ANSWER)], "somebody got no answer"),
        ([Answer(0, 1, 503, says_when=False)], "did not say when"),
        ([Answer(0, 11, 200)], "waited 11 s"),
    ],
)
def test_what_nobody_should_see_is_a_problem(answers: list[Answer], problem: str) -> None:
    [found] = judged(DRILL, answers)
    assert problem in found


def test_a_container_that_falls_over_beside_the_fault_is_a_problem() -> None:
    assert fell({"loki": 1, "gateway": 0}, {"loki": 2, "gateway": 0, "new": 3}) == ["loki fell over as well"]


def test_what_may_be_seen_is_none() -> None:
    assert judged(DRILL, [Answer(0, 1, 200), Answer(0, 9, 503)]) == []


def test_answers_are_counted_by_their_status() -> None:
    assert counted([Answer(0, 1, 503), Answer(0, 1, 200), Answer(0, 1, 200), Answer(0, 1, NO_ANSWER)]) == {
        "200": 2,
        "503": 1,
        "none": 1,
    }


def rendered(results: list[Result]) -> str:
    console = Console(width=200, file=None, record=True, quiet=False, force_terminal=False)
    with console.capture() as captured:
        console.print(table(results))
    return captured.get()


def test_the_table_tells_a_drill_that_did_not_hold_and_why() -> None:
    bad = Result(name="kill", fault="f", alert="EngineDown", held=False, problems=("no alert within 120 s",))
    good = Result(
        name="freeze", fault="f", alert="EngineDown", held=True, alert_seconds=21.4, seen={"200": 3, "503": 9}
    )
    shown = rendered([bad, good])
    assert "NO" in shown
    assert "no alert within 120 s" in shown
    assert "9x 503" in shown
    assert "21 s" in shown


def test_results_are_a_file_whose_name_is_no_stacks(tmp_path: Path) -> None:
    """`make down PURGE=1` leaves nothing that has the stack's name."""
    file = written(Machine("dev", tmp_path), "dev", [Result(name="kill", fault="f", held=True)])
    assert "dev" not in file.name
    assert '"held": true' in file.read_text()


def test_the_stand_in_is_written_as_bash_reads_it(tmp_path: Path) -> None:
    """Bash gives HAProxy's file back as it was meant; HAProxy itself reads it in the drills."""
    command = stand_in.script(9100, 1_000_000).replace("exec haproxy", "true").replace("/tmp/exporter.cfg", "c.cfg")
    subprocess.run(["bash", "-euc", command], cwd=tmp_path, check=True)
    config = (tmp_path / "c.cfg").read_text()
    assert "bind :9100\n" in config
    assert r'string "probe_success 1\nprobe_duration_seconds 0.01\nprobe_ssl_earliest_cert_expiry 1003600\n"' in config
    assert "'" not in config
