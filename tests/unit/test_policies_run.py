"""The policy pack where Pulumi runs: its level, what starts it, and the same rules over a preview's JSON."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
from pulumi_policy import EnforcementLevel, ResourceValidationPolicy, StackValidationPolicy
from rich.console import Console

from components.settings import load
from ops import policies
from ops.errors import UserError
from ops.fleet import drift
from ops.previewed import Preview, parse
from ops.pulumi_cli import Pulumi
from policies import evaluate, pack
from policies.evaluate import judge
from policies.finding import Finding

pytestmark = pytest.mark.unit
PROJECT = Path(__file__).resolve().parents[2]
NETWORK = "urn:pulumi:prod::slm::docker:index/network:Network::internal"


def step(op: str = "create", **inputs: object) -> dict[str, object]:
    return {"op": op, "urn": NETWORK, "newState": {"inputs": inputs}}


def said(*steps: dict[str, object]) -> str:
    return json.dumps({"steps": list(steps), "changeSummary": {"create": 1}})


@pytest.mark.parametrize(("stack", "level"), [("prod", "mandatory"), ("dev", "advisory"), ("engines", "advisory")])
def test_control_70_it_is_mandatory_in_production_and_advice_elsewhere(stack: str, level: str) -> None:
    assert pack.level_of(pack.settings_of({"PULUMI_STACK": stack})) == EnforcementLevel(level)


def test_control_70_a_stack_that_cannot_be_read_is_judged_as_production() -> None:
    assert pack.settings_of({"PULUMI_STACK": "nowhere"}) is None
    assert pack.level_of(None) == EnforcementLevel.MANDATORY


def test_there_is_one_policy_for_each_control_and_a_preview_tells_at_its_end() -> None:
    numbers = evaluate.controls()
    assert {1, 15, 22, 33, 55, 62, 70} <= numbers
    previewing = pack.policies((), previewing=True)
    names = {one.name for one in previewing if isinstance(one, StackValidationPolicy)}
    assert names == {*(f"control-{number:02}" for number in numbers), "control-71"}
    updating = pack.policies((), previewing=False)
    alone = {one.name for one in updating if isinstance(one, ResourceValidationPolicy)}
    assert alone == {"inputs", *(f"control-{number:02}" for number in numbers)}


def test_a_preview_is_judged_by_what_would_be_there_afterwards() -> None:
    gone = {"op": "delete", "urn": NETWORK, "oldState": {"inputs": {"internal": False}}}
    assert policies.resources(parse(said(gone))) == []
    twice = parse(said(step("replace", internal=False), step("create-replacement", internal=False)))
    (one,) = policies.resources(twice)
    assert (one.type, one.name, one.urn) == ("docker:index/network:Network", "internal", NETWORK)
    judged = policies.judged(twice, load("prod", PROJECT))
    assert [found.control for found in judged.open] == [10]


def test_production_refuses_what_development_advises() -> None:
    found = policies.judged(parse(said(step(internal=False))), load("dev", PROJECT))
    assert policies.refuses(load("prod", PROJECT), found)
    assert not policies.refuses(load("dev", PROJECT), found)
    assert not policies.refuses(load("prod", PROJECT), judge([]))


def test_the_table_says_where_what_could_happen_and_what_to_do() -> None:
    console = Console(file=io.StringIO(), width=200)
    settings = load("dev", PROJECT)
    policies.tell(policies.judged(parse(said(step(internal=False))), settings), console)
    policies.tell(policies.judged(parse(said(step(internal=True))), settings), console)
    policies.tell(judge([]), console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for words in ("10", "high", "Network/internal internal", "reaches the internet", "internal: true"):
        assert words in text
    assert "1 resources judged, nothing found" in text
    assert "no resource that any rule is about" in text


@pytest.mark.parametrize(("stack", "closed", "code"), [("dev", False, 0), ("dev", True, 0), ("prod", False, 1)])
def test_what_would_be_made_is_judged_by_a_command(
    stack: str, closed: bool, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(policies.Pulumi, "ensure_stack", lambda self: None)
    console = Console(file=io.StringIO(), width=200)

    def ask(pulumi: Pulumi) -> Preview:
        return parse(said(step(internal=closed)))

    assert policies.run(stack, console, ask=ask) == code
    assert policies.run(stack, console, as_json=True, ask=ask) == code
    told = json.loads(capsys.readouterr().out)
    assert told["refused"] is (code == 1)
    assert [(one["control"], one["severity"]) for one in told["violations"]] == ([] if closed else [(10, "high")])
    # Nothing to judge is no success.
    assert policies.run("dev", console, ask=lambda pulumi: Preview()) == 1


def test_what_starts_the_pack_is_installed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, log = tmp_path / "home", tmp_path / "log"
    stub = tmp_path / "bin" / "pulumi"
    stub.parent.mkdir()
    target = home / "plugins" / "analyzer-policy-slm-v1.0.0"
    stub.write_text(f'#!/bin/sh\necho "$@" >> {log}\nmkdir -p {target}\ncp {policies.ANALYZER} {target}/\n')
    stub.chmod(0o755)
    path = f"{stub.parent}{os.pathsep}{os.environ['PATH']}"
    # The program itself is looked for on this process's own path.
    monkeypatch.setenv("PATH", path)
    environment = {"PULUMI_HOME": str(home), "PATH": path}
    assert policies.variables(environment) == {"PULUMI_OPTION_POLICY_PACK": str(PROJECT / "policies")}
    policies.variables(environment)
    assert log.read_text().count("plugin install analyzer policy-slm 1.0.0") == 1
    stub.write_text("#!/bin/sh\necho 'error: the disk is full' >&2\nexit 1\n")
    with pytest.raises(UserError, match="the disk is full"):
        policies.install({**environment, "PULUMI_HOME": str(tmp_path / "other")})


def test_an_update_is_judged_in_production_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "install", lambda environment: None)
    assert policies.for_update(load("dev", PROJECT), {}) == {}
    assert policies.VARIABLE in policies.for_update(load("prod", PROJECT), {})


def test_a_fleets_table_tells_what_is_refused() -> None:
    console = Console(file=io.StringIO(), width=200)
    bad = Finding(10, "Network/internal", "internal", "it is open [to all]", "internal: true")
    console.print(drift.table([drift.Drift("berlin-1", violations=(str(bad),), refused=True)]))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "refused" in text
    assert "it is open [to all] (control 10)" in text


@pytest.mark.parametrize(("number", "severity"), [(9, "critical"), (1, "high"), (7, "medium"), (14, "low")])
def test_each_control_says_how_bad_it_is(number: int, severity: str) -> None:
    assert Finding(number, "", "", "", "").severity == severity
