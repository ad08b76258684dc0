"""What is data, what may be shown of a preview, what is less safe, and what stands still."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.catalog.place import DIRECTORY
from ops.previewed import Preview
from ops.pull_request import raw, risk, rollout, safety
from ops.pull_request.besides import besides
from ops.pull_request.previews import Asked
from ops.pull_request.sides import Side, places, readable
from ops.pull_request.words import changed, shown
from policies.plain import MARK, SECRET
from tests.unit.pull_requests.golden import HERE, patched

pytestmark = pytest.mark.unit

TODAY = date(2026, 11, 27)
TYPES = {
    "docker:index/volume:Volume",
    "kubernetes:core/v1:PersistentVolume",
    "kubernetes:core/v1:PersistentVolumeClaim",
    "kubernetes:core/v1:Namespace",
    "azure-native:containerservice:ManagedCluster",
    "azure-native:containerservice/v20250801:ManagedCluster",
    "azure-native:keyvault:Vault",
    "azure-native:keyvault:Key",
    "azure-native:containerregistry:Registry",
    "azure-native:resources:ResourceGroup",
    "azure-native:storage:StorageAccount",
    "azure-native:storage:FileShare",
    "azure-native:compute:Disk",
    "azure-native:dbforpostgresql:Server",
    "azure-native:sql:Database",
    "azure-native:monitor:AzureMonitorWorkspace",
    "azure-native:operationalinsights:Workspace",
}
HARMLESS = {
    "docker:index/container:Container", "docker:index/network:Network", "kubernetes:apps/v1:Deployment",
    "kubernetes:core/v1:ConfigMap", "azure-native:containerservice:AgentPool", "azure-native:network:VirtualNetwork",
    "pulumi:pulumi:Stack", "slm:engine:ollama",
}  # fmt: skip


def step(kind: str, op: str, name: str = "it", **more: Any) -> dict[str, Any]:
    return {"op": op, "urn": f"urn:pulumi:s::slm::slm:engine:ollama${kind}::{name}", **more}


def asked(*steps: dict[str, Any]) -> list[Asked]:
    return [Asked("", Preview.model_validate({"steps": steps}))]


@pytest.mark.parametrize("op", sorted(risk.DESTROYS))
@pytest.mark.parametrize("kind", sorted(TYPES))
def test_whatever_holds_data_is_loud_when_it_goes(kind: str, op: str) -> None:
    (found,) = risk.risks([], asked(step(kind, op)))
    assert found.loud
    assert "`it`" in found.words


def test_each_kind_of_data_is_met_by_one_of_these_types() -> None:
    for pattern, words in risk.KINDS:
        assert any(re.fullmatch(pattern, kind) for kind in TYPES), words


@pytest.mark.parametrize("op", ["create", "update", "same", "read", "import", "create-replacement"])
def test_what_does_not_destroy_is_no_risk(op: str) -> None:
    assert risk.risks([], asked(*(step(kind, op) for kind in TYPES))) == []


def test_what_holds_no_data_is_no_risk() -> None:
    gone = [step(kind, "delete") for kind in HARMLESS]
    gone.append(step("docker:index/volume:Volume", "delete", "gateway-files-volume"))
    assert risk.risks([], asked(*gone)) == []


@pytest.mark.parametrize(("op", "loud"), [("delete", False), ("replace", False)])
def test_what_is_kept_is_told_quietly(op: str, loud: bool) -> None:
    (found,) = risk.risks([], asked(step("docker:index/volume:Volume", op, oldState={"retainOnDelete": True})))
    assert (found.loud, "stays" in found.words) == (loud, True)


def test_that_only_the_new_one_will_be_kept_does_not_help_the_old_one() -> None:
    states = {"oldState": {"retainOnDelete": False}, "newState": {"retainOnDelete": True}}
    (found,) = risk.risks([], asked(step("azure-native:keyvault:Vault", "replace", **states)))
    assert found.loud


def test_a_protected_one_says_who_refuses() -> None:
    (found,) = risk.risks([], asked(step("azure-native:keyvault:Vault", "delete", oldState={"protect": True})))
    assert "Pulumi refuses it" in found.words


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("replicas", 1, "1"),
        ("on", True, "true"),
        ("image", "haproxy:3.4.4", "haproxy:3.4.4"),
        ("missing.deeper", None, "none"),
        ("secret", {MARK: SECRET}, "[secret]"),
        ("map", {"a": 1}, "(not shown)"),
        ("list", ["a"], "(not shown)"),
        ("text", "two words", "(not shown)"),
        ("text", "line\nbreak", "(not shown)"),
        ("adminPassword", "x", "[secret]"),
        ("password", "x", "[secret]"),
        ("apiKey", "x", "[secret]"),
        ("opaque", "hf_" + "a" * 20, "[secret]"),
        ("opaque", "sk-" + "a" * 20, "[secret]"),
    ],
)
def test_of_a_preview_only_harmless_values_are_shown(path: str, value: Any, said: str) -> None:
    states = {"oldState": {"inputs": {path: value}}, "newState": {"inputs": {path: value}}}
    section = raw.section(asked(step("x:y:Z", "update", detailedDiff={path: {}}, **states)))
    assert section.lines[1] == f"    {path}: {said} -> {said}"


@pytest.mark.parametrize("field", sorted(raw.HIDDEN))
def test_below_fields_that_may_hold_anything_no_text_is_shown(field: str) -> None:
    inputs = {"inputs": {"a": {field: ["PROMPT", {"x": "PROMPT"}], field.capitalize(): "PROMPT"}}}
    paths = {f"a.{field}[0]": {}, f'a["{field}"][1].x': {}, f"a.{field.capitalize()}": {}, "a": {}}
    states = {"oldState": inputs, "newState": inputs}
    section = raw.section(asked(step("x:y:Z", "update", detailedDiff=paths, **states)))
    assert len(section.lines) == 5
    assert "PROMPT" not in section.written


def test_a_value_in_a_list_below_a_quoted_key_is_found() -> None:
    old, new = ({"inputs": {"m": {"a.b/c": [{"n": n}]}}} for n in (1, 2))
    section = raw.section(
        asked(step("x:y:Z", "update", detailedDiff={'m["a.b/c"][0].n': {}}, oldState=old, newState=new))
    )
    assert section.lines[1].endswith(": 1 -> 2")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("parallel", 4, "4"),
        ("context_length", 16384, "16,384"),
        ("port", 8443, "8443"),
        ("scaling", None, "not set"),
        ("spot", True, "on"),
        ("cpus", 1.5, "1.5"),
        ("variants.a.system", "be kind", "(text)"),
        ("models.m.template", "{{ .Prompt }}", "(text)"),
        ("env.TOKEN", "x", "`[secret]`"),
        ("env.DEBUG", "x", "`[secret]`"),
        ("pools.system.vm_size", "Standard_D8", "`Standard_D8`"),
        ("tags.owner", "hf_" + "a" * 20, "`[secret]`"),
        (
            "host_key",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOsTmthlhbTaeVFf5ipddTrI",
            "`ssh-ed25519 AAAAC3NzaC1l…eVFf5ipddTrI`",
        ),
        ("hosts", ("a", "b"), "`a`, `b`"),
    ],
)
def test_settings_are_shown_in_words_and_prompts_never(path: str, value: Any, said: str) -> None:
    assert shown(value, path) == said


def test_a_text_that_is_not_shown_is_said_to_have_changed() -> None:
    (found,) = changed({"system": "be kind"}, {"system": "be brief"})
    assert found == "`system`: changed (text)"


def sides(tmp_path: Path, stack: str, base: dict[str, Any], head: dict[str, Any]) -> tuple[Side, Side]:
    common = patched(yaml.safe_load((HERE / "bases" / f"{stack}.yaml").read_text()), {"config": base})
    made = []
    for name, description in (("base", common), ("head", patched(common, {"config": head}))):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump(description, sort_keys=False))
        made.append(Side(stack, tmp_path / name, TODAY, DIRECTORY))
    return made[0], made[1]


TLS = {"certificate": "cert", "key": "cert-key"}
AKS = "slm:targets"
WORSE: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("dev", {"slm:gateway": {"tls": TLS}}, {"slm:gateway": {"bind": "192.0.2.9"}}),
    ("dev", {"slm:gateway": {"bind": "192.0.2.9", "tls": TLS}}, {"slm:gateway": {"bind": "0.0.0.0"}}),
    ("dev", {"slm:gateway": {"tls": {**TLS, "minimum": "1.3"}}}, {"slm:gateway": {"tls": {"minimum": "1.2"}}}),
    ("dev", {"slm:gateway": {"tls": TLS}}, {"slm:gateway": {"tls": None}}),
    ("dev", {}, {"slm:gateway": {"origins": ["https://x.example.org"]}}),
    ("dev", {}, {"slm:gateway": {"limits": {"requests_per_minute": 121}}}),
    ("dev", {}, {"slm:gateway": {"limits": {"concurrent_requests": 17}}}),
    ("dev", {}, {"slm:security": {"allow_registries": ["docker.io", "ghcr.io"]}}),
    ("dev", {}, {"slm:webui": {"target": "laptop"}}),
    ("dev", {"slm:webui": {"target": "laptop"}}, {"slm:webui": {"sign_up": True}}),
    ("dev", {}, {"slm:targets": {"laptop": {"restart_unhealthy_seconds": 60}}}),
    ("prod", {}, {AKS: {"cloud": {"private": False, "authorized_ranges": ["203.0.113.0/24"]}}}),
    ("prod", {}, {AKS: {"cloud": {"exposure": "public", "source_ranges": ["203.0.113.0/24"]}}}),
    ("prod", {}, {AKS: {"cloud": {"tier": "Free"}}}),
    ("prod", {}, {AKS: {"cloud": {"vault": {"purge_protection": False}}}}),
    ("prod", {}, {AKS: {"cloud": {"vault": {"soft_delete_days": 7}}}}),
    ("prod", {}, {AKS: {"cloud": {"protect": {"cluster": False}}}}),
    ("prod", {}, {AKS: {"cloud": {"retain": {"vault": False}}}}),
    ("prod", {AKS: {"cloud": {"kms": True}}}, {AKS: {"cloud": {"kms": False}}}),
    ("prod", {}, {"slm:environment": "dev"}),
]  # fmt: skip


@pytest.mark.parametrize(("stack", "base", "head"), WORSE, ids=lambda value: str(value)[:60])
def test_one_step_back_is_less_safe_and_one_forth_is_not(
    tmp_path: Path, stack: str, base: dict[str, Any], head: dict[str, Any]
) -> None:
    before, after = sides(tmp_path, stack, base, head)
    assert safety.worse(places(before, after), before, after) >= 1
    assert safety.worse(places(after, before), after, before) == 0
    assert "| **less safe** |" in safety.section(places(before, after), before, after).written


def still(before: Side, after: Side) -> list[str]:
    return [outage.what for outage in rollout.outages(places(before, after))]


def test_a_single_copy_on_a_full_pool_stands_still_and_one_on_a_larger_pool_does_not(tmp_path: Path) -> None:
    pools = {"cloud": {"storage": "files", "pools": {"gpu": {"max_nodes": 1}}}}
    before, after = sides(tmp_path, "prod", {AKS: pools}, {"slm:engines": {"chat": {"kv_cache_type": "q8_0"}}})
    assert still(before, after) == ["engine `chat`"]
    (tmp_path / "larger").mkdir()
    pools = {"cloud": {"storage": "files", "pools": {"gpu": {"max_nodes": 4}}}}
    before, after = sides(
        tmp_path / "larger", "prod", {AKS: pools}, {"slm:engines": {"chat": {"kv_cache_type": "q8_0"}}}
    )
    assert still(before, after) == []
    assert "a new one before an old one goes" in rollout.section(places(before, after), before, after).written


def test_limits_of_the_gateway_are_read_again_without_a_pause(tmp_path: Path) -> None:
    before, after = sides(tmp_path, "dev", {}, {"slm:gateway": {"limits": {"requests_per_minute": 60}}})
    assert still(before, after) == []
    assert rollout.section(places(before, after), before, after).lines == (
        "1. the gateway reads its files again; nothing stands still",
    )


def test_another_port_of_the_gateway_stops_every_model(tmp_path: Path) -> None:
    before, after = sides(tmp_path, "dev", {}, {"slm:gateway": {"port": 9090}})
    assert still(before, after) == ["the gateway, and with it every model"]


def test_alike_hosts_are_read_once_and_told_once(tmp_path: Path) -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{:0>43}"
    hosts = {f"host-{n}": {"address": f"203.0.113.{n}", "host_key": key.format(n)} for n in range(1, 101)}
    changes = {"slm:engines": {"chat": {"parallel": 3}}}
    before, after = sides(tmp_path, "edge", {"slm:fleet": {"hosts": hosts}}, changes)
    found = places(before, after)
    assert sorted(len(place.hosts) for place in found) == [1, 102]
    assert len(after._loaded) == len(before._loaded) == 2


def test_a_base_with_an_expired_exception_is_still_a_base(tmp_path: Path) -> None:
    gone = {"control": 39, "resource": "chat", "reason": "the maker's own code", "expires": "2020-01-01"}
    before, _ = sides(tmp_path, "dev", {"slm:security": {"exceptions": [gone]}}, {})
    assert readable(Side("dev", before.folder, date.min))[1] == ""
    assert "expired" in readable(before)[1]


CONTAINER = "docker:index/container:Container"


@pytest.mark.parametrize(
    ("kind", "op", "name", "said"),
    [
        (CONTAINER, "replace", "gateway-container", True),
        (CONTAINER, "delete", "gateway-container", True),
        (CONTAINER, "create", "gateway-container", False),
        (CONTAINER, "replace", "chat-container", False),  # the description says so
        (CONTAINER, "replace", "gateway-files", False),
        ("docker:index/network:Network", "replace", "gateway-container", False),
        ("kubernetes:apps/v1:Deployment", "update", "gateway-deployment", True),
        ("azure-native:containerservice:AgentPool", "replace", "cloud-pool-gpu-nodes", True),
    ],
)
def test_what_only_the_preview_changes_is_said_besides(
    tmp_path: Path, kind: str, op: str, name: str, said: bool
) -> None:
    before, after = sides(tmp_path, "dev", {}, {"slm:engines": {"chat": {"kv_cache_type": "q8_0"}}})
    found = places(before, after)
    assert rollout.expected(found) == {"chat"}
    assert (name in besides(found, asked(step(kind, op, name)), rollout.expected(found))) == said


def test_inputs_that_differ_are_named_where_the_provider_names_none() -> None:
    old, new = ({"inputs": {"size": n, "token": {MARK: SECRET, "ciphertext": str(n)}, "same": 1}} for n in (1, 2))
    section = raw.section(asked(step("x:y:Z", "update", oldState=old, newState=new)))
    assert section.lines[1:] == ("    size: 1 -> 2",)
