"""Which changes to protected resources are refused, which are allowed by name, and what is free to go."""

from __future__ import annotations

import io
import json
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from components.settings import Settings, SettingsError, load
from ops.errors import UserError
from ops.failures import explain
from ops.guard import changes
from ops.guard.kinds import KEPT, PROTECTED, loss
from ops.previewed import Preview, State, from_events, parse
from ops.pulumi_cli import Result

pytestmark = pytest.mark.unit

PROJECT = Path(__file__).resolve().parents[2]
TODAY = date(2026, 11, 27)
VAULT = "azure-native:keyvault:Vault"
VOLUME = "docker:index/volume:Volume"
CLAIM = "kubernetes:core/v1:PersistentVolumeClaim"


def urn(type_: str, name: str) -> str:
    return f"urn:pulumi:prod::slm::slm:aks:cluster$slm:aks:vault${type_}::{name}"


def step(op: str, type_: str, name: str, **old: Any) -> dict[str, Any]:
    return {
        "op": op,
        "urn": urn(type_, name),
        "oldState": {"urn": urn(type_, name), **old},
        "replaceReasons": ["location"],
    }


def found(*steps: dict[str, Any]) -> list[changes.Danger]:
    return changes.dangers(Preview.model_validate({"steps": steps}))


def settings(*allowed: str, stack: str = "prod", expires: str = "2026-12-31") -> Settings:
    entries = [{"resource": name, "reason": "the region is moved", "expires": expires} for name in allowed]
    return load(stack, PROJECT, {"slm:allow_replace": entries} if entries else {}, today=TODAY)


@pytest.mark.parametrize("kind", sorted(PROTECTED))
@pytest.mark.parametrize(
    ("op", "doing"), [("replace", "replaces"), ("delete", "deletes"), ("delete-replaced", "replaces")]
)
def test_control_68_every_protected_kind_is_told_with_what_is_lost(kind: str, op: str, doing: str) -> None:
    (danger,) = found(step(op, kind, "it"))
    assert str(danger).startswith(f"it {doing} it ({kind})")
    assert PROTECTED[kind] in str(danger)
    with pytest.raises(UserError, match=f"it {doing} it"):
        changes.require_allowed(settings(), "prod", [danger], TODAY)


def test_a_replacement_of_several_steps_is_told_once_and_with_its_reason() -> None:
    steps = [step(op, VAULT, "v") for op in ("create-replacement", "replace", "delete-replaced")]
    (danger,) = found(*steps)
    assert (
        str(danger) == f"it replaces v ({VAULT}), because location changes: lost is its secrets, keys and certificates"
    )


def test_what_only_changes_stays_or_is_read_is_no_danger() -> None:
    assert found(*(step(op, VAULT, "v") for op in ("same", "update", "create", "read", "refresh", "import"))) == []


def test_a_type_with_its_version_of_the_api_is_the_same_type() -> None:
    assert found(step("delete", "azure-native:keyvault/v20230701:Vault", "v"))
    assert not found(step("delete", "azure-native:network/v20230201:Subnet", "v"))


@pytest.mark.parametrize(
    ("type_", "name", "retained", "lost"),
    [
        (VOLUME, "webui-data-volume", True, "accounts and chats"),
        (VOLUME, "prometheus-data-volume", True, "figures"),
        (VOLUME, "chat-weights-0123456789ab-volume", True, ""),
        (VOLUME, "gateway-files-volume", False, ""),
        (CLAIM, "webui-data-claim", True, "accounts and chats"),
        (CLAIM, "chat-weights-0123456789ab-claim", True, ""),
        (CLAIM, "chat-weights-0123456789ab-claim", False, "the weights in it, which are fetched again"),
        ("docker:index/container:Container", "chat-container", False, ""),
    ],
)
def test_volumes_are_judged_by_what_is_in_them(type_: str, name: str, retained: bool, lost: str) -> None:
    assert {"webui-data", "prometheus-data"} <= KEPT.keys(), "the names above are none of the stacks'"
    assert loss(type_, name, State(retain_on_delete=retained)) == lost


def test_what_stays_behind_is_told_so() -> None:
    (danger,) = found(step("delete", VAULT, "v", retainOnDelete=True, protect=True))
    assert "the old one stays, and nothing looks after it" in str(danger)
    assert danger.protected


def test_control_68_the_refusal_names_every_one_and_the_lines_that_would_allow_it() -> None:
    both = found(step("delete", VAULT, "v"), step("replace", "azure-native:containerregistry:Registry", "r"))
    with pytest.raises(UserError) as refused:
        changes.require_allowed(settings(), "prod", both, TODAY)
    assert "it deletes v" in refused.value.what
    assert "it replaces r" in refused.value.what
    assert "nothing was changed" in refused.value.harm
    assert "Pulumi.prod.yaml" in refused.value.fix
    assert "- {resource: r, reason: …, expires: 2026-12-04}" in refused.value.fix


@pytest.mark.parametrize("named", ["v", urn(VAULT, "v")])
def test_what_the_change_names_is_allowed_and_told_with_its_reason(named: str) -> None:
    (sentence,) = changes.require_allowed(settings(named), "prod", found(step("replace", VAULT, "v")), TODAY)
    assert "it replaces v" in sentence
    assert "the region is moved" in sentence


def test_control_68_a_permission_that_nothing_needs_is_refused() -> None:
    with pytest.raises(UserError, match=r"allows gone to be replaced.*\n.*\n.*take it out"):
        changes.require_allowed(settings("v", "gone"), "prod", found(step("replace", VAULT, "v")), TODAY)
    with pytest.raises(UserError, match="allows v to be replaced"):
        changes.require_allowed(settings("v"), "prod", [], TODAY)


def test_on_a_host_of_a_fleet_another_host_may_still_need_it() -> None:
    host = settings("webui-data-volume", stack="edge.berlin-1")
    (sentence,) = changes.require_allowed(host, "edge.berlin-1", [], TODAY)
    assert "needs nothing of it here" in sentence


def test_control_68_an_expired_permission_is_no_settings() -> None:
    with pytest.raises(SettingsError, match="permission to replace 'v' expired 2026-11-26"):
        settings("v", expires="2026-11-26")
    assert settings("v", expires="2026-11-27").allow_replace


@pytest.mark.parametrize(
    "entry",
    [
        {"resource": "v", "reason": "short", "expires": "2026-12-31"},
        {"resource": "", "reason": "the region is moved", "expires": "2026-12-31"},
        {"resource": "v", "reason": "the region is moved"},
        {"resource": "v", "reason": "the region is moved", "expires": "soon"},
        {"resource": "v", "reason": "the region is moved", "expires": "2026-12-31", "more": 1},
    ],
)
def test_a_permission_says_what_why_and_until_when(entry: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="allow_replace"):
        load("prod", PROJECT, {"slm:allow_replace": [entry]}, today=TODAY)


class Pulumi:
    """Pulumi whose state has `held`, and whose preview would do `steps`."""

    def __init__(self, held: list[str], *steps: dict[str, Any]) -> None:
        self.machine = SimpleNamespace(stack="prod")
        self.held, self.steps, self.asked = held, steps, list[tuple[str, ...]]()

    def check(self, *_: str) -> str:
        resources = [{"urn": one, "type": one.split("::")[2].rpartition("$")[2]} for one in self.held]
        return json.dumps({"deployment": {"resources": resources}})

    def run(self, *arguments: str) -> Result:
        self.asked.append(arguments)
        return Result(0, json.dumps({"steps": self.steps}))


def before_up(pulumi: Pulumi, described: Settings) -> tuple[str, ...]:
    return changes.before_up(pulumi, described, Console(file=io.StringIO()))  # type: ignore[arg-type]


def test_make_up_asks_only_where_there_is_something_to_lose() -> None:
    nothing = Pulumi([urn("azure-native:network:Subnet", "s")])
    assert before_up(nothing, settings()) == ()
    assert nothing.asked == []
    held = Pulumi([urn(VAULT, "v")])
    assert before_up(held, settings()) == ()
    assert "--ignore-protect" in held.asked[0]
    assert before_up(Pulumi([urn(VAULT, "v")], step("delete", VAULT, "v")), load("dev", PROJECT)) == ()


def test_control_68_make_up_stops_at_what_is_not_allowed_and_lifts_protection_only_for_what_is() -> None:
    held = [urn(VAULT, "v")]
    with pytest.raises(UserError, match="not allowed"):
        before_up(Pulumi(held, step("replace", VAULT, "v")), settings())
    assert before_up(Pulumi(held, step("replace", VAULT, "v")), settings("v")) == ()
    assert before_up(Pulumi(held, step("replace", VAULT, "v", protect=True)), settings("v")) == ("--ignore-protect",)
    with pytest.raises(UserError, match="allows v to be replaced"):
        before_up(Pulumi([]), settings("v"))


def test_events_say_the_same_as_a_preview() -> None:
    told = step("replace", VAULT, "v", protect=True)
    event = {"op": "replace", "urn": told["urn"], "old": told["oldState"], "keys": ["location"], "diffs": ["location"]}
    lines = ["", json.dumps({"preludeEvent": {}}), json.dumps({"resourcePreEvent": {"metadata": event}})]
    assert changes.dangers(from_events("\n".join(lines))) == changes.dangers(parse(json.dumps({"steps": [told]})))
    assert from_events("").steps == ()


@pytest.mark.parametrize(
    "said",
    [
        f'error: unable to replace resource "{urn(VAULT, "v")}"\nas it is currently marked for protection.',
        f'error: Preview failed: resource "{urn(VAULT, "v")}" cannot be deleted\nbecause it is protected.',
    ],
)
def test_pulumis_own_protection_is_told_in_words(said: str) -> None:
    error = explain("prod", "up", said)
    assert "protected resource" in error.what
    assert "::v" in error.what, "which one"
    assert "make preview STACK=prod" in error.fix
