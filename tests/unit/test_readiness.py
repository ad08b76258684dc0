"""The checklist of production: each check passes and fails on what it is about, none for want of a subject."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from components.settings import Settings, load
from ops.errors import UserError
from ops.machine import Machine
from ops.previewed import Preview, parse
from ops.readiness import command, described, kept, running
from ops.readiness.result import GROUPS, Check, Result, code
from ops.readiness.running import Running
from ops.readiness.subject import Described
from tests.kubernetes.rendered import images

pytestmark = pytest.mark.unit
PROJECT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 27, 10, tzinfo=UTC)
NAMES = {check.name: check for check in described.CHECKS}


def given(stack: str = "prod", tmp: Path = Path("/nowhere"), **changed: Any) -> Described:
    settings = changed.pop("settings", None) or load(stack, PROJECT, changed.pop("overlay", {}))
    whole = Described(stack, settings, PROJECT, {}, NOW, {}, tmp)
    return replace(whole, **changed)


def over(stack: str = "prod", **values: Any) -> Settings:
    return load(stack, PROJECT, {f"slm:{key}": value for key, value in values.items()})


def cloud(**changed: Any) -> dict[str, Any]:
    [(name, spec)] = load("prod", PROJECT).targets.items()
    return {name: json.loads(spec.model_dump_json(exclude_unset=True)) | {"kind": "aks"} | changed}


def state(name: str, whole: Described) -> str:
    return NAMES[name].result(whole, whole.stack).state


def exception(days: int) -> dict[str, Any]:
    ends = (datetime.now(UTC).date() + timedelta(days=days)).isoformat()
    row = {"control": 39, "resource": "chat", "reason": "a reviewed repository", "expires": ends}
    return {"exceptions": [row]}


def one_gateway() -> Settings:
    whole = load("prod", PROJECT)
    return whole.model_copy(update={"gateway": whole.gateway.model_copy(update={"replicas": 1})})


VAULT = {"PULUMI_BACKEND_URL": "azblob://state?storage_account=own"}
STATES: list[tuple[str, str, Callable[[], Described]]] = [
    ("it is described as production", "pass", given),
    ("it is described as production", "fail", lambda: given("dev")),
    ("nothing in it is refused", "pass", given),
    ("nothing in it is refused", "fail", lambda: given("edge")),
    ("no example's value is left", "fail", given),
    ("no example's value is left", "pass", lambda: given("dev")),
    ("state and secrets are kept safely", "fail", given),
    ("state and secrets are kept safely", "pass", lambda: given(environment=VAULT)),
    ("state and secrets are kept safely", "not applicable", lambda: given("dev")),
    ("requests are encrypted", "pass", given),
    ("requests are encrypted", "not applicable", lambda: given("dev")),
    ("exceptions last", "not applicable", given),
    ("exceptions last", "pass", lambda: given(settings=over(security=exception(90)), now=datetime.now(UTC))),
    ("exceptions last", "fail", lambda: given(settings=over(security=exception(5)), now=datetime.now(UTC))),
    ("models fit with room", "pass", given),
    ("the gateway has copies", "pass", given),
    ("the gateway has copies", "not applicable", lambda: given("dev")),
    ("the gateway has copies", "fail", lambda: given(settings=one_gateway())),
    ("engines have copies", "fail", given),
    ("engines have copies", "not applicable", lambda: given("dev")),
    ("the cluster's API is promised", "pass", given),
    ("the cluster's API is promised", "fail", lambda: given(settings=over(targets=cloud(tier="Free")))),
    ("the cluster's API is promised", "not applicable", lambda: given("dev")),
    ("nodes are in several zones", "pass", given),
    ("nodes are in several zones", "fail", lambda: given(settings=over(targets=cloud(location="westus")))),
    ("it is watched", "pass", given),
    ("it is watched", "fail", lambda: given(settings=over("dev", monitoring=None))),
    ("somebody is told", "pass", given),
    ("somebody is told", "fail", lambda: given("dev")),
    ("somebody is told", "fail", lambda: given(settings=over("dev", monitoring=None))),
    ("its price is known", "pass", given),
    ("its price is known", "not applicable", lambda: given("dev")),
    ("prices are fresh", "pass", given),
    ("prices are fresh", "fail", lambda: given(now=NOW + timedelta(days=400))),
    ("idle GPUs go", "pass", given),
    ("idle GPUs go", "not applicable", lambda: given("dev")),
    ("data outlives a mistake", "pass", given),
    ("data outlives a mistake", "fail", lambda: given(settings=over(targets=cloud(retain={"data": False})))),
    ("the last backup is fresh", "unknown", given),
    ("the last backup is fresh", "fail", lambda: given("dev")),
    ("the last backup is fresh", "not applicable", lambda: given(settings=over("dev", monitoring=None))),
    ("API keys are young", "unknown", given),
    ("API keys are young", "unknown", lambda: given(keys_made={"key-1": "unknown"})),
    ("API keys are young", "pass", lambda: given(keys_made={"key-1": NOW.isoformat()})),
    ("API keys are young", "fail", lambda: given(keys_made={"key-1": "2026-01-01T00:00:00+00:00"})),
    ("everything is pinned", "pass", given),
    ("each part's image is known", "fail", given),
    ("each part's image is known", "pass", lambda: given(settings=over(images=images(**{"ollama-exporter": IMAGE})))),
    ("models may be served", "pass", given),
    ("models may be served", "unknown", lambda: given("engines-gemma")),
]
IMAGE = "docker.io/slm/exporter:1@sha256:" + "a" * 64


@pytest.mark.parametrize(("name", "wanted", "make"), STATES, ids=[f"{row[0]}-{row[1]}" for row in STATES])
def test_a_check_says_what_is_so(name: str, wanted: str, make: Callable[[], Described]) -> None:
    whole = make()
    result = NAMES[name].result(whole, whole.stack)
    assert result.state == wanted, result.reason
    assert result.reason
    assert whole.stack in result.command


def test_each_check_can_say_that_something_is_not_right() -> None:
    seen = {name: {row[1] for row in STATES if row[0] == name} for name in NAMES}
    # What nothing here can break: production refuses what does not fit or is not pinned before it is a caution.
    only_good = {"models fit with room", "requests are encrypted", "everything is pinned", "its price is known"}
    only_good |= {"idle GPUs go"}
    assert {name for name, states in seen.items() if not states & {"fail", "unknown"}} == only_good


def test_the_rarer_sides() -> None:
    unwise = SimpleNamespace(tls=None, bind="0.0.0.0")
    whole = given("dev")
    plain = replace(whole, settings=cast(Settings, SimpleNamespace(gateway=unwise, targets=whole.settings.targets)))
    assert described.is_encrypted(plain)[0] == "fail"
    assert kept.all_is_pinned(replace(whole, settings=cast(Settings, SimpleNamespace(unpinned=lambda: ["x"]))))[0] == (
        "fail"
    )
    outside = cast(Settings, SimpleNamespace(hosted={}, targets={}))
    for check in (described.fits, kept.licences):
        assert check(replace(whole, settings=outside))[0] == "not applicable"
    whole_prod = load("prod", PROJECT, {"slm:targets": cloud()})
    (spec,) = whole_prod.targets.values()
    pools = {"gpu": SimpleNamespace(gpus=1, min_nodes=3)}
    paid = given(settings=whole_prod)
    assert kept.gpus_may_go(paid)[0] == "pass"
    assert (
        kept.gpus_may_go(
            replace(
                paid,
                settings=whole_prod.model_copy(update={"targets": {"c": spec.model_copy(update={"pools": pools})}}),
            )
        )[0]
        == "fail"
    )


def test_backups_are_as_old_as_the_newest_file(tmp_path: Path) -> None:
    file = tmp_path / "2026-11-27.tar"
    file.write_text("x")
    for hours, wanted in ((3, "pass"), (30, "fail")):
        at = (NOW - timedelta(hours=hours)).timestamp()
        os.utime(file, (at, at))
        assert state("the last backup is fresh", given("dev", tmp_path)) == wanted
    (tmp_path / ".part").write_text("x")
    file.unlink()
    assert state("the last backup is fresh", given("dev", tmp_path)) == "fail"


STEP = {"op": "same", "urn": "urn:pulumi:dev::slm::docker:index/network:Network::internal"}
GOOD = parse(json.dumps({"steps": [{**STEP, "newState": {"inputs": {"internal": True}}}]}))
OPEN = parse(json.dumps({"steps": [{**STEP, "op": "update", "newState": {"inputs": {"internal": False}}}]}))


def run_(stack: str = "dev", **ways: Any) -> Running:
    return Running(Machine(stack, PROJECT), load(stack, PROJECT), **ways)


def boom() -> Any:
    raise OSError("no route to host")


def preview_of(found: Preview) -> Callable[[], Preview]:
    return lambda: found


def status(*problems: str) -> Callable[[], Any]:
    return lambda: SimpleNamespace(problems=problems)


LIVE: list[tuple[str, str, Running]] = [
    ("every resource meets the controls", "pass", run_(previewed=preview_of(GOOD))),
    ("every resource meets the controls", "fail", run_(previewed=preview_of(OPEN))),
    ("every resource meets the controls", "unknown", run_(previewed=preview_of(Preview()))),
    ("every resource meets the controls", "unknown", run_(previewed=boom)),
    ("what runs is what is described", "pass", run_(previewed=preview_of(GOOD))),
    ("what runs is what is described", "fail", run_(previewed=preview_of(OPEN))),
    ("what runs is what is described", "unknown", run_(previewed=preview_of(Preview()))),
    ("the gateway asks for a key", "pass", run_(ask=lambda: 401)),
    ("the gateway asks for a key", "fail", run_(ask=lambda: 200)),
    ("the gateway asks for a key", "unknown", run_(ask=boom)),
    ("the certificate lasts", "not applicable", run_()),
    ("the certificate lasts", "pass", run_("prod", certificate=lambda: datetime.now(UTC) + timedelta(days=60))),
    ("the certificate lasts", "fail", run_("prod", certificate=lambda: datetime.now(UTC) + timedelta(days=3))),
    ("the certificate lasts", "unknown", run_("prod", certificate=boom)),
    ("nothing is broken now", "pass", run_(status=status())),
    ("nothing is broken now", "fail", run_(status=status("engine chat is down"))),
    ("nothing is broken now", "unknown", run_(status=boom)),
]


@pytest.mark.parametrize(("name", "wanted", "live"), LIVE, ids=[f"{row[0]}-{row[1]}-{n}" for n, row in enumerate(LIVE)])
def test_a_running_stack_is_asked(name: str, wanted: str, live: Running) -> None:
    (check,) = [one for one in running.CHECKS if one.name == name]
    result = check.result(live, "dev")
    assert result.state == wanted, result.reason
    assert "no route to host" in result.reason or wanted != "unknown" or "names no resource" in result.reason


def test_every_check_of_a_running_stack_passes_fails_and_is_unknown() -> None:
    for check in running.CHECKS:
        assert {"pass", "fail", "unknown"} <= {row[1] for row in LIVE if row[0] == check.name}, check.name


def result(said: str) -> Result:
    return Result.model_validate({"group": "cost", "name": "x", "state": said, "reason": "y", "command": "z"})


@pytest.mark.parametrize(
    ("states", "allow", "wanted"),
    [
        (["pass", "not applicable"], False, 0),
        (["pass", "unknown"], False, 1),
        (["pass", "unknown"], True, 0),
        (["pass", "fail"], True, 1),
        ([], True, 1),
    ],
)
def test_the_exit_code(states: list[str], allow: bool, wanted: int) -> None:
    assert code(map(result, states), allow_unknown=allow) == wanted


def test_a_check_that_fails_itself_is_unknown_and_says_why() -> None:
    check: Check[int] = Check("cost", "x", "make x", lambda subject: (_ for _ in ()).throw(KeyError("prices")))
    assert check.result(1, "dev").state == "unknown"
    assert "KeyError" in check.result(1, "dev").reason


def test_json_has_every_check_in_the_order_of_the_groups(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run("prod", Console(file=io.StringIO()), as_json=True, static=True) == 1
    told = json.loads(capsys.readouterr().out)
    groups = [one["group"] for one in told["checks"]]
    assert set(groups) == set(GROUPS)
    assert groups == sorted(groups, key=lambda group: GROUPS.index(group))
    assert len(told["checks"]) == len(described.CHECKS) + len(running.CHECKS)
    asked = {one["name"]: one["state"] for one in told["checks"]}
    assert {asked[check.name] for check in running.CHECKS} == {"unknown"}


def test_the_table_names_what_shows_each_check() -> None:
    console = Console(file=io.StringIO(), width=200)
    assert command.run("dev", console, static=True) == 1
    text = cast(io.StringIO, console.file).getvalue()
    for words in ("security", "licences", "make check STACK=dev", "the running stack was not asked", "not applicable"):
        assert words in text


def test_a_fleet_is_checked_host_by_host() -> None:
    with pytest.raises(UserError, match=r"make readiness STACK=edge\."):
        command.run("edge", Console(file=io.StringIO()), static=True)
