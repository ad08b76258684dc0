"""The chat page and Grafana on the hosts of a fleet: where they are published, what is refused, what is told."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from components.catalog import merge
from components.settings import Settings, SettingsError, load, load_fleet
from ops import docker_client, monitoring, webui
from ops.fleet import certificates, overview, status
from ops.fleet.status import State
from tests.unit.settings_base import GONE, TODAY, _pruned
from tests.unit.test_settings_fleet import FLEET

pytestmark = pytest.mark.unit

TLS = {"certificate": "cert", "key": "cert-key"}
CERTIFIED = {"target": "laptop", "tls": TLS}


def write(folder: Path, page: dict[str, Any] | None = None, **config: Any) -> None:
    over = {"slm:webui": {"target": "laptop", **(page or {})}, **{f"slm:{key}": value for key, value in config.items()}}
    document = {"config": _pruned(merge({**FLEET, "slm:gateway": CERTIFIED}, over))}
    (folder / "Pulumi.edge.yaml").write_text(yaml.safe_dump(document))


def host(folder: Path, name: str) -> Settings:
    return load(f"edge.{name}", folder, today=TODAY)


def page(settings: Settings) -> tuple[str, str]:
    assert settings.webui
    return settings.webui.bind, settings.webui.endpoint


def test_each_hosts_page_is_at_its_own_address_under_the_gateways_certificate(tmp_path: Path) -> None:
    write(tmp_path, {"port": 3210})
    assert page(host(tmp_path, "a")) == ("192.0.2.1", "https://192.0.2.1:3210")
    # Where the gateway is published on all addresses of a host, people type its name.
    assert page(host(tmp_path, "b")) == ("0.0.0.0", "https://b.example.org:3210")
    own = host(tmp_path, "a").webui
    assert own
    assert own.tls
    assert (own.tls.certificate, own.tls.key) == ("cert", "cert-key")
    assert own.origins == ("https://192.0.2.1:3210",)


def test_a_host_that_is_reached_at_another_address_than_by_ssh_has_its_page_there(tmp_path: Path) -> None:
    write(tmp_path, fleet={"hosts": {"a": {"bind": "198.51.100.7"}}})
    assert page(host(tmp_path, "a")) == ("198.51.100.7", "https://198.51.100.7:3000")


def test_a_page_may_stay_on_its_host_and_the_way_there_is_told(tmp_path: Path) -> None:
    jump = {"host": "ssh://gate@192.0.2.9:2200", "host_key": FLEET["slm:fleet"]["hosts"]["a"]["host_key"]}
    write(tmp_path, {"bind": "127.0.0.1"}, fleet={"hosts": {"a": {"port": 2222}, "b": {"jump": jump}}})
    assert page(host(tmp_path, "a")) == ("127.0.0.1", "http://127.0.0.1:3000")
    told = said(lambda console: webui.tell(host(tmp_path, "a"), "edge.a", console))
    assert "http://127.0.0.1:3000" in told
    assert "ssh -N -L 3000:127.0.0.1:3000 -i ~/.ssh/fleet -p 2222 slm@192.0.2.1" in told
    told = said(lambda console: webui.tell(host(tmp_path, "b"), "edge.b", console))
    assert "ssh -N -L 3000:127.0.0.1:3000 -i ~/.ssh/fleet -J gate@192.0.2.9:2200 slm@b.example.org" in told


def test_a_page_that_leaves_its_host_is_told_without_a_way(tmp_path: Path) -> None:
    write(tmp_path)
    told = said(lambda console: webui.tell(host(tmp_path, "a"), "edge.a", console))
    assert "page      https://192.0.2.1:3000" in told
    assert "make webui-password STACK=edge.a" in told
    assert "ssh -N" not in told


def test_a_page_without_a_certificate_does_not_leave_its_host(tmp_path: Path) -> None:
    write(tmp_path, gateway={"tls": GONE, "bind": GONE}, fleet={"defaults": {"bind": "127.0.0.1"}})
    assert page(host(tmp_path, "a")) == ("127.0.0.1", "http://127.0.0.1:3000"), "where the gateway stays, it stays"
    write(tmp_path, {"bind": "0.0.0.0"}, gateway={"tls": GONE}, fleet={"defaults": {"bind": "127.0.0.1"}})
    with pytest.raises(SettingsError, match="TLS is required"):
        host(tmp_path, "a")


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"page": {"url": "https://chat.example.org"}}, "slm:webui.url"),
        ({"page": {"bind": "192.0.2.1"}}, "slm:webui.bind"),
        ({"monitoring": {"target": "laptop", "grafana": {"bind": "192.0.2.1"}}}, "slm:monitoring.grafana.bind"),
    ],
)
def test_an_address_of_one_machine_is_refused_for_many(tmp_path: Path, config: dict[str, Any], path: str) -> None:
    write(tmp_path, config.pop("page", None), **config)
    with pytest.raises(SettingsError) as error:
        host(tmp_path, "a")
    assert f"{path}: " in str(error.value)
    assert "is an address of one machine, and this is said of 2 hosts — remove it" in str(error.value)


def test_a_fleet_of_one_host_may_name_it(tmp_path: Path) -> None:
    write(tmp_path, {"url": "https://chat.example.org"}, fleet={"hosts": {"b": GONE}})
    settings = host(tmp_path, "a")
    assert page(settings) == ("192.0.2.1", "https://chat.example.org")
    assert certificates.names_of(settings) == (*settings.gateway.hosts, "chat.example.org")
    assert "chat.example.org" not in settings.gateway.hosts, "the gateway answers to its own names only"


def test_a_certificate_is_for_the_gateways_names_where_the_page_has_none_of_its_own(tmp_path: Path) -> None:
    write(tmp_path)
    assert certificates.names_of(host(tmp_path, "a")) == host(tmp_path, "a").gateway.hosts
    write(tmp_path, {"bind": "127.0.0.1"})
    assert certificates.names_of(host(tmp_path, "a")) == host(tmp_path, "a").gateway.hosts


def test_grafana_stays_on_its_host_and_the_way_there_is_told(tmp_path: Path) -> None:
    write(tmp_path, monitoring={"target": "laptop", "grafana": {}})
    settings = host(tmp_path, "a")
    known = settings.model_copy(update={"images": {**settings.images, "grafana": "sha256:" + "a" * 64}})
    told = said(lambda console: monitoring.tell(known, "edge.a", console))
    assert "ssh -N -L 3001:127.0.0.1:3001" in told


def test_status_and_check_show_each_hosts_page_where_there_are_pages(tmp_path: Path) -> None:
    shown = said(lambda console: console.print(status.table([State("a", page="https://192.0.2.1:3000"), State("b")])))
    assert "https://192.0.2.1:3000" in shown
    assert "page" not in said(lambda console: console.print(status.table([State("a")])))
    write(tmp_path)
    fleet = load_fleet("edge", tmp_path)
    assert fleet
    shown = said(lambda console: overview.show("edge", fleet, ["a", "b"], tmp_path, console))
    assert "https://192.0.2.1:3000" in shown
    assert "https://b.example.org:3000" in shown


def test_only_a_port_on_a_remote_loopback_needs_a_way(tmp_path: Path) -> None:
    write(tmp_path)
    settings = host(tmp_path, "a")
    assert docker_client.way_to(settings, "192.0.2.1", 3000) is None
    assert "-L 3000:[::1]:3000" in str(docker_client.way_to(settings, "::1", 3000))
    local = {key: value for key, value in FLEET.items() if key != "slm:fleet"}
    (tmp_path / "Pulumi.dev.yaml").write_text(
        yaml.safe_dump({"config": {**local, "slm:gateway": {"target": "laptop"}}})
    )
    assert docker_client.way_to(load("dev", tmp_path, today=TODAY), "127.0.0.1", 3000) is None


def said(print_to: Any) -> str:
    out = io.StringIO()
    print_to(Console(file=out, width=220))
    return out.getvalue()
