"""Figures that go beyond the stack: what may be described, and what is then planned and no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.monitoring import forwarder, prometheus
from components.monitoring.forward import Forward
from components.monitoring.settings import Monitoring
from components.plan import Planned, monitoring_mib
from components.settings import SettingsError
from components.targets.kubernetes.names import Names as ClusterNames
from components.targets.kubernetes.network import policies
from components.targets.placement import Caller, Outside
from tests.unit.kubernetes_samples import site
from tests.unit.monitoring_samples import PARTS, described, planned
from tests.unit.settings_base import DIGEST, load_changed

pytestmark = pytest.mark.unit

URL = "https://centre.example.org/api/v1/write"
FORWARD = {"url": URL, "token_secret": "centre-token"}
CLUSTER = {"laptop": {"kind": "kubernetes", "kubeconfig": "/etc/k3s.yaml"}}


def forwarding(tmp_path: Path, forward: dict[str, Any] | None = None, **change: Any) -> dict[str, Planned]:
    return planned(described(tmp_path, {"grafana": None, "forward": forward or FORWARD}, **change))


def config(stack: dict[str, Planned]) -> dict[str, Any]:
    [text] = [file.content for file in stack["prometheus"].workload.files if file.name == "prometheus.yml"]
    document: dict[str, Any] = yaml.safe_load(text)
    return document


def test_without_a_word_nothing_is_forwarded_and_no_forwarder_exists(tmp_path: Path) -> None:
    settings = described(tmp_path, {"grafana": None})
    stack = planned(settings)
    assert forwarder.NAME not in stack
    assert "vmagent" not in settings.roles()
    document = config(stack)
    assert "remote_write" not in document
    assert forwarder.NAME not in [job["job_name"] for job in document["scrape_configs"]]


def test_with_it_one_part_more_runs_is_asked_and_is_known_by_its_limit(tmp_path: Path) -> None:
    stack = forwarding(tmp_path)
    assert {*stack} & (PARTS | {forwarder.NAME}) == PARTS | {forwarder.NAME}
    document = config(stack)
    [job] = [job for job in document["scrape_configs"] if job["job_name"] == forwarder.NAME]
    assert job["static_configs"] == [{"targets": ["forwarder:8429"]}]
    [records] = [f.content for f in stack["prometheus"].workload.files if f.name == "records.yml"]
    assert "workload: forwarder" in records, "that it is missing would be told to nobody"
    bare = {"monitoring": {"target": "laptop", "grafana": None}}
    more = {"monitoring": {"target": "laptop", "grafana": None, "forward": FORWARD}}
    assert monitoring_mib(load_changed(more, tmp_path)) - monitoring_mib(load_changed(bare, tmp_path)) == 128


def test_control_09_10_it_is_published_nowhere_meets_monitoring_alone_and_goes_to_the_store_alone(
    tmp_path: Path,
) -> None:
    stack = forwarding(tmp_path)
    own = stack[forwarder.NAME]
    assert own.around.exposure is None
    assert own.around.circles == ("monitoring",)
    assert own.around.callers == (Caller("prometheus"),)
    assert own.around.outside == (Outside("centre.example.org", 443),)
    assert {name for name in stack if stack[name].workload.egress} == {forwarder.NAME}
    assert not own.around.calls


def test_control_31_on_a_cluster_its_way_out_is_the_stores_address_and_port(tmp_path: Path) -> None:
    near = {**FORWARD, "url": "https://10.1.2.3:8443/api/v1/write"}
    own = forwarding(tmp_path, near)[forwarder.NAME]
    found = {p["metadata"]["name"]: p["spec"] for p in policies(own.workload, own.around, ClusterNames(site(), "dev"))}
    assert set(found) == {"to-forwarder", "from-prometheus-to-forwarder", "from-forwarder-outside"}
    [rule] = found["from-forwarder-outside"]["egress"]
    assert rule == {
        "to": [{"ipBlock": {"cidr": "10.1.2.3/32"}}],
        "ports": [{"protocol": "TCP", "port": 8443}],
    }


def test_control_54_its_credential_is_a_file_and_no_word_of_its_command_line(tmp_path: Path) -> None:
    token = forwarding(tmp_path)[forwarder.NAME].workload
    assert [(s.name, s.secret) for s in token.secrets] == [("forward-secret", "centre-token")]
    assert "-remoteWrite.bearerTokenFile=/etc/slm/forward-secret" in token.args
    signed = {"url": URL, "username": "berlin", "password_secret": "centre-password"}
    password = forwarding(tmp_path, signed)[forwarder.NAME].workload
    assert [s.secret for s in password.secrets] == ["centre-password"]
    assert {a for a in password.args if "basicAuth" in a} == {
        "-remoteWrite.basicAuth.username=berlin",
        "-remoteWrite.basicAuth.passwordFile=/etc/slm/forward-secret",
    }
    settings = described(tmp_path, {"grafana": None, "forward": signed})
    assert settings.secret_names() == ["centre-password"]


def test_what_waits_is_bounded_kept_and_has_a_volume_it_fits_into(tmp_path: Path) -> None:
    own = forwarding(tmp_path, {**FORWARD, "buffer_gib": 2.5})[forwarder.NAME].workload
    assert "-remoteWrite.maxDiskUsagePerURL=2560MiB" in own.args
    [volume] = own.volumes
    assert volume.keep
    assert volume.size_gib >= 2.5 + 0.5
    assert f"-remoteWrite.tmpDataPath={volume.path}" in own.args


def test_only_recorded_series_alerts_and_up_go_unless_others_are_named(tmp_path: Path) -> None:
    [way] = config(forwarding(tmp_path))["remote_write"]
    assert way["url"] == "http://forwarder:8429/api/v1/write"
    [kept] = way["write_relabel_configs"]
    assert kept == {"source_labels": ["__name__"], "regex": "slm:.+|ALERTS|up", "action": "keep"}
    assert way["metadata_config"] == {"send": False}
    [more] = config(forwarding(tmp_path, {**FORWARD, "also": ["vllm:.*", "node_load1"]}))["remote_write"]
    assert more["write_relabel_configs"][0]["regex"] == "slm:.+|ALERTS|up|vllm:.*|node_load1"


def test_a_host_of_a_fleet_is_told_apart_from_the_others_of_its_fleet() -> None:
    assert prometheus.external_labels("edge.berlin-1") == {"stack": "edge.berlin-1", "host": "berlin-1"}
    assert prometheus.external_labels("dev") == {"stack": "dev"}


def test_a_changed_token_or_certificate_is_read_without_a_new_start(tmp_path: Path) -> None:
    assert forwarding(tmp_path)[forwarder.NAME].workload.reload_signal == "SIGHUP"


@pytest.mark.parametrize(
    ("forward", "words"),
    [
        ({}, ("url",)),
        ({"url": "centre.example.org"}, ("not the address of a store",)),
        ({"url": "https://centre.example.org"}, ("/api/v1/write",)),
        ({"url": "https://centre.example.org/write,https://other.example.org/write"}, ("no path that takes",)),
        ({"url": "https://berlin:hunter2@centre.example.org/api/v1/write"}, ("token_secret",)),
        ({"url": f"{URL}?token=hunter2"}, ("token_secret",)),
        ({"url": "http://centre.example.org/api/v1/write"}, ("use https",)),
        ({"url": "http://8.8.4.4/api/v1/write"}, ("use https",)),
        ({"url": "http://127.0.0.1:9090/api/v1/write"}, ("host.docker.internal",)),
        ({"url": "https://169.254.169.254/api/v1/write"}, ("use another",)),
        ({"url": URL, "token_secret": "eyJhbGciOi.hunter2"}, ("give the name of a secret",)),
        ({"url": URL, "username": "berlin"}, ("belong together",)),
        ({**FORWARD, "username": "berlin", "password_secret": "b"}, ("one way",)),
        ({"url": URL, "username": "a,b", "password_secret": "b"}, ("username",)),
        ({"url": URL, "ca_certificates": "-----BEGIN CERTIFICATE-----\nAAAA"}, ("no PEM certificates",)),
        (
            {"url": "http://10.0.0.1/api/v1/write", "ca_certificates": "-----BEGIN CERTIFICATE-----\nAAAA"},
            ("vouch for nothing over http",),
        ),
        ({**FORWARD, "buffer_gib": 0.1}, ("buffer_gib",)),
        ({**FORWARD, "also": [".*|up"]}, ("also",)),
    ],
)
def test_a_store_that_would_leak_or_never_be_reached_is_refused_with_its_fix(
    tmp_path: Path, forward: dict[str, Any], words: tuple[str, ...]
) -> None:
    with pytest.raises(SettingsError) as raised:
        load_changed({"monitoring": {"target": "laptop", "forward": forward}}, tmp_path)
    for word in ("monitoring.forward", *words):
        assert word in str(raised.value), raised.value
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("url", ["http://10.1.2.3:9090/api/v1/write", "http://host.docker.internal:9090/api/v1/write"])
def test_a_store_in_the_sites_own_network_may_be_asked_without_tls(url: str) -> None:
    assert Forward(url=url).outside[1] == 9090


def test_on_a_cluster_a_nodes_own_machine_is_no_store(tmp_path: Path) -> None:
    forward = {"url": "http://host.docker.internal:9090/api/v1/write"}
    change = {"monitoring": {"target": "laptop", "grafana": None, "forward": forward}, "targets": CLUSTER}
    with pytest.raises(SettingsError, match="any node"):
        load_changed(change, tmp_path)


def test_azure_keeps_figures_itself_and_forwards_none() -> None:
    with pytest.raises(ValueError, match="so that forward says nothing"):
        Monitoring.model_validate({"kind": "azure-managed", "target": "cloud", "forward": FORWARD})


def test_its_certificates_are_a_file(tmp_path: Path) -> None:
    pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    trusted = Forward.model_construct(**{**Forward(url=URL).model_dump(), "ca_certificates": pem})
    workload = forwarder.workload(trusted, DIGEST)
    assert [(f.name, f.content) for f in workload.files] == [("forward-ca.pem", pem)]
    assert "-remoteWrite.tlsCAFile=/etc/slm/forward-ca.pem" in workload.args
