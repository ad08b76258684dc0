"""A fleet in a stack's file: what is accepted, what is refused in words, and the stack each host gets of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.catalog import merge
from components.settings import SettingsError, load, load_fleet
from components.settings.fleet import FleetHost
from components.settings.stack_file import DESCRIPTION
from components.targets.spec import Docker
from tests.unit.settings_base import BASE, GONE, HOST_KEY, TODAY, _pruned

pytestmark = pytest.mark.unit

QWEN = "qwen2.5-coder-0.5b-instruct"
OTHER_KEY = HOST_KEY[:-3] + "BBB"
FLEET: dict[str, Any] = {
    **BASE,
    "slm:gateway": {"target": "laptop", "tls": {"certificate": "cert", "key": "cert-key"}},
    "slm:fleet": {
        "defaults": {"user": "slm", "key_file": "~/.ssh/fleet", "memory_gib": 16, "labels": {"ring": "late"}},
        "hosts": {
            "a": {"address": "192.0.2.1", "host_key": HOST_KEY, "labels": {"site": "x"}},
            "b": {"address": "b.example.org", "host_key": OTHER_KEY, "bind": "0.0.0.0", "model": "phi4-mini"},
        },
    },
}


def write(folder: Path, **fleet: Any) -> None:
    config = _pruned(merge(FLEET, {"slm:fleet": fleet}))
    (folder / "Pulumi.edge.yaml").write_text(yaml.safe_dump({"config": config}))


def refused(folder: Path, **fleet: Any) -> str:
    write(folder, **fleet)
    with pytest.raises(SettingsError) as error:
        load("edge.a", folder, today=TODAY)
    return str(error.value)


def target(folder: Path, host: str) -> Docker:
    found = load(f"edge.{host}", folder, today=TODAY).targets["laptop"]
    assert isinstance(found, Docker)
    return found


def test_each_host_is_an_ordinary_stack_over_ssh(tmp_path: Path) -> None:
    write(tmp_path)
    settings = load("edge.a", tmp_path, today=TODAY)
    assert settings.fleet is None
    assert settings.refusals("edge.a") == []
    assert target(tmp_path, "a") == Docker(
        host="ssh://slm@192.0.2.1:22", host_key=HOST_KEY, key_file="~/.ssh/fleet", memory_gib=16
    )
    assert settings.gateway.bind == "192.0.2.1"
    assert settings.gateway.hosts[0] == "192.0.2.1"
    assert settings.model_of("chat").name == QWEN


def test_a_hosts_own_words_go_before_the_fleets(tmp_path: Path) -> None:
    jump = {"host": "ssh://gate@192.0.2.9", "host_key": HOST_KEY}
    write(tmp_path, hosts={"b": {"port": 2222, "user": "edge", "memory_gib": 64, "jump": jump, "key_file": "/k"}})
    other = target(tmp_path, "b")
    assert other.host == "ssh://edge@b.example.org:2222"
    assert (other.memory_gib, other.key_file) == (64, "/k")
    assert other.jump
    assert other.jump.host == jump["host"]
    settings = load("edge.b", tmp_path, today=TODAY)
    assert settings.model_of("chat").name == "phi4-mini"
    assert settings.gateway.bind == "0.0.0.0"
    assert settings.gateway.hosts[0] == "b.example.org"


def test_a_hosts_gpus_are_its_first_engines(tmp_path: Path) -> None:
    write(tmp_path, hosts={"a": {"gpus": 1, "gpu": "RTX-4060"}})
    assert target(tmp_path, "a").gpus == 1
    assert load("edge.a", tmp_path, today=TODAY).hosted["chat"].gpus == 1
    assert load("edge.b", tmp_path, today=TODAY).hosted["chat"].gpus == 0


def test_what_this_machine_recorded_for_a_host_goes_before_all(tmp_path: Path) -> None:
    write(tmp_path)
    settings = load("edge.b", tmp_path, {"slm:model": QWEN}, today=TODAY)
    assert settings.model_of("chat").name == QWEN


def test_the_fleet_itself_is_no_stack(tmp_path: Path) -> None:
    write(tmp_path)
    (why,) = load("edge", tmp_path, today=TODAY).refusals("edge")
    assert "fleet of 2 hosts" in why
    assert "STACK=edge.a" in why


def test_labels_of_all_hosts_are_laid_under_a_hosts_own(tmp_path: Path) -> None:
    write(tmp_path)
    fleet = load_fleet("edge", tmp_path)
    assert fleet
    assert fleet.host("a").labels == {"ring": "late", "site": "x"}
    assert load_fleet("edge", tmp_path)
    (tmp_path / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": dict(BASE)}))
    assert load_fleet("dev", tmp_path) is None


@pytest.mark.parametrize(
    ("fleet", "words"),
    [
        ({"hosts": {"a": {"host_key": GONE}}}, ("slm:fleet.hosts.a: host_key is missing", "pin ssh host key")),
        (
            {"hosts": {"a": {"host_key": "ssh-ed25519 AAAA"}}},
            ("slm:fleet.hosts.a.host_key", "not a public SSH host key"),
        ),
        ({"hosts": {"a": {"address": GONE}}}, ("slm:fleet.hosts.a.address: 'address' is missing",)),
        ({"hosts": {"a": {"password": "x"}}}, ("slm:fleet.hosts.a.password", "use agent or key path")),
        ({"defaults": {"password": "x"}}, ("slm:fleet.defaults.password", "use agent or key path")),
        (
            {"hosts": {"b": {"address": "192.0.2.1"}}},
            ("slm:fleet.hosts.b.address: host is listed twice, also as 'a'",),
        ),
        (
            {"hosts": {"b": {"host_key": HOST_KEY}}},
            ("slm:fleet.hosts.b.host_key: host key is listed twice, also as 'a'",),
        ),
        ({"hosts": {"b": {"bind": GONE}}}, ("slm:fleet.hosts.b: address 'b.example.org' is a name", "set bind")),
        ({"hosts": {"a": {"bind": "eth0"}}}, ("slm:fleet.hosts.a.bind: 'eth0' is not an IP address",)),
        ({"hosts": {"a": {"adress": "x"}}}, ("did you mean 'address'",)),
        ({"hosts": {"A": {"address": "x", "host_key": HOST_KEY}}}, ("not a usable name",)),
        ({"rollout": {"percent": [50, 25, 100]}}, ("slm:fleet.rollout.percent: [50, 25, 100] does not rise to 100",)),
        ({"rollout": {"percent": [50]}}, ("does not rise to 100",)),
        ({"rollout": {"parallel": 0}}, ("slm:fleet.rollout.parallel", "1-64")),
        ({"rollout": {"on_failure": "ignore"}}, ("must be one of",)),
        ({"hosts": {"a": {"port": 70000}}}, ("slm:fleet.hosts.a.port", "1-65535")),
        ({"hosts": {"a": {"gpu": "none-such", "gpus": 1}}}, ("is not in the catalogue",)),
        ({"hosts": {"a": {"model": "none-such"}}}, ("none-such",)),
        (
            {"share": {"label": "sites"}},
            ("slm:fleet.share.label: unknown label 'sites'", "did you mean 'site'", "use one of: ring, site"),
        ),
        ({"share": {"port": 8444}}, ("slm:fleet.share", "label")),
        ({"share": {"label": "site", "port": 8080}}, ("slm:fleet.share.port: 8080 is the port of gateway already",)),
        ({"share": {"label": "site", "port": 80}}, ("slm:fleet.share.port", "1024-65535")),
        ({"share": {"label": "site", "token": "x"}}, ("slm:fleet.share.token",)),
    ],
)
def test_what_is_wrong_in_a_fleet_is_told_with_path_and_fix(
    tmp_path: Path, fleet: dict[str, Any], words: tuple[str, ...]
) -> None:
    said = refused(tmp_path, **fleet)
    for word in words:
        assert word in said
    assert " — " in said


def test_a_port_that_another_page_has_is_refused_for_sharing(tmp_path: Path) -> None:
    page = {"slm:webui": {"target": "laptop", "port": 8444, "bind": "127.0.0.1"}}
    (tmp_path / "Pulumi.edge.yaml").write_text(yaml.safe_dump({"config": {**FLEET, **page}}))
    load("edge.a", tmp_path, today=TODAY)
    config = merge({**FLEET, **page}, {"slm:fleet": {"share": {"label": "site"}}})
    (tmp_path / "Pulumi.edge.yaml").write_text(yaml.safe_dump({"config": config}))
    with pytest.raises(SettingsError, match="8444 is the port of webui already"):
        load("edge.a", tmp_path, today=TODAY)


def test_hosts_with_the_same_label_are_a_site_and_nobody_is_without_share(tmp_path: Path) -> None:
    write(tmp_path)
    fleet = load_fleet("edge", tmp_path)
    assert fleet
    assert fleet.share is None
    assert fleet.site_of("a") is None
    write(tmp_path, share={"label": "site"})
    fleet = load_fleet("edge", tmp_path)
    assert fleet
    assert fleet.share
    assert fleet.share.port == 8444
    assert [fleet.site_of(name) for name in fleet.hosts] == ["x", None]
    # What a host's stack is made of does not change with it.
    assert load("edge.a", tmp_path, today=TODAY).fleet is None


@pytest.mark.parametrize(
    ("bind", "address", "at"),
    [
        (None, "192.0.2.1", "192.0.2.1"),
        ("192.0.2.7", "192.0.2.1", "192.0.2.7"),
        ("192.0.2.7", "a.example.org", "192.0.2.7"),
        ("127.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("0.0.0.0", "192.0.2.1", "192.0.2.1"),
        ("::", "a.example.org", None),
        ("127.0.0.1", "a.example.org", None),
        ("2001:db8::7", "a.example.org", "2001:db8::7"),
    ],
)
def test_neighbours_reach_a_host_at_an_address_of_its_own(bind: str | None, address: str, at: str | None) -> None:
    host = FleetHost(address=address, host_key=HOST_KEY, bind=bind)
    assert host.shares_on == at


def test_a_host_listed_twice_under_one_name_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    text = (tmp_path / "Pulumi.edge.yaml").read_text()
    (tmp_path / "Pulumi.edge.yaml").write_text(text.replace("      b:\n", "      a:\n"))
    with pytest.raises(SettingsError, match="duplicate key 'a'"):
        load("edge.a", tmp_path)


@pytest.mark.parametrize("stack", ["edge.nobody", "edge.", "edge.a.b", "none.a"])
def test_a_host_that_is_none_of_the_fleets_is_named(tmp_path: Path, stack: str) -> None:
    write(tmp_path)
    with pytest.raises(SettingsError, match="unknown"):
        load(stack, tmp_path)


def test_a_gateway_that_leaves_its_host_needs_tls(tmp_path: Path) -> None:
    config = {**FLEET, "slm:gateway": {"target": "laptop"}}
    (tmp_path / "Pulumi.edge.yaml").write_text(yaml.safe_dump({"config": config}))
    with pytest.raises(SettingsError, match="TLS is required"):
        load("edge.a", tmp_path)


def test_a_roll_back_reads_the_kept_description_for_hosts_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    kept = tmp_path / "kept.yaml"
    kept.write_text((tmp_path / "Pulumi.edge.yaml").read_text().replace("16", "8"))
    monkeypatch.setenv(DESCRIPTION, str(kept))
    assert target(tmp_path, "a").memory_gib == 8
    fleet = load_fleet("edge", tmp_path)
    assert fleet
    assert fleet.defaults.memory_gib == 16
