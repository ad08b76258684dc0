"""A stack on a cluster that is watched: agents on each node, kubelets' figures by a token, logs of its own pods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.monitoring import collector, key_counts, kubelet
from components.settings import SettingsError
from components.targets.kubernetes.agents import NODE_ADDRESS, TOKEN_DIRECTORY, as_agent
from components.targets.kubernetes.controllers import controller
from components.targets.kubernetes.names import Manifest
from components.targets.placement import Surroundings, UnsupportedError
from tests.kubernetes.rendered import Stack, key, stack
from tests.unit.kubernetes_samples import names, page, service
from tests.unit.settings_base import load_changed

pytestmark = pytest.mark.unit
APART = "slm-node-agents"


@pytest.fixture(scope="module")
def copies() -> Stack:
    return stack("copies")


def found(whole: Stack, name: str) -> Manifest:
    [one] = [one for one in whole.all if key(one) == name]
    return one


def pod(whole: Stack, name: str) -> Manifest:
    spec: Manifest = found(whole, name)["spec"]["template"]["spec"]
    return spec


def jobs(whole: Stack) -> dict[str, dict[str, Any]]:
    text = found(whole, "ConfigMap/prometheus-files")["data"]["prometheus.yml"]
    return {job["job_name"]: job for job in yaml.safe_load(text)["scrape_configs"]}


def test_every_copy_of_an_agent_is_found_by_its_services_name(copies: Stack) -> None:
    asked = {name: job["dns_sd_configs"][0] for name, job in jobs(copies).items() if "dns_sd_configs" in job}
    apart, here = f"{APART}.svc.cluster.local", "slm.svc.cluster.local"
    assert jobs(copies)["collector"]["dns_sd_configs"] == [
        {"names": [f"collector.{apart}"], "type": "A", "port": port} for port in (collector.PORT, key_counts.PORT)
    ]
    assert asked["dcgm"] == {"names": [f"dcgm-exporter.{apart}"], "type": "A", "port": 9400}
    assert asked["node"] == {"names": [f"node-exporter.{here}"], "type": "A", "port": 9100}
    assert asked["cadvisor"] == {"names": [f"kubelet-proxy.{here}"], "type": "A", "port": kubelet.PORT}
    assert found(copies, f"Service/{APART}/collector")["spec"]["clusterIP"] == "None"


def test_control_26_kubelets_are_asked_with_a_token_of_an_hour_that_reads_figures(copies: Stack) -> None:
    job = jobs(copies)["cadvisor"]
    assert (job["scheme"], job["metrics_path"]) == ("https", "/metrics/cadvisor")
    assert job["authorization"] == {"credentials_file": f"{TOKEN_DIRECTORY}/token"}
    prometheus = pod(copies, "StatefulSet/prometheus")
    [token] = [v for v in prometheus["volumes"] if v["name"] == "token"]
    [source] = token["projected"]["sources"]
    assert source == {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}
    assert prometheus["automountServiceAccountToken"] is False
    rules = found(copies, "ClusterRole/slm-prometheus-kubelets")["rules"]
    assert rules == [{"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]}]
    binding = found(copies, "ClusterRoleBinding/slm-prometheus-kubelets")
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "prometheus", "namespace": "slm"}]
    holders = [key(one) for one in copies.all if "serviceAccountToken" in str(one)]
    assert holders == ["StatefulSet/prometheus"]


def test_containers_have_the_names_of_their_workloads_and_those_of_others_are_let_go(copies: Stack) -> None:
    keep, pods, named, _ = jobs(copies)["cadvisor"]["metric_relabel_configs"]
    assert keep["regex"].endswith(f"container_.*;(slm|{APART})")
    assert (pods["regex"], pods["action"]) == ("container_.*;(POD)?", "drop")
    assert named == {"source_labels": ["container"], "regex": "(.+)", "target_label": "workload"}


def test_the_way_to_a_kubelet_leads_to_its_own_node(copies: Stack) -> None:
    [container] = pod(copies, "DaemonSet/kubelet-proxy")["containers"]
    [given] = [v for v in container["env"] if v["name"] == NODE_ADDRESS]
    assert given["valueFrom"] == {"fieldRef": {"fieldPath": "status.hostIP"}}
    config = found(copies, "ConfigMap/kubelet-proxy-files")["data"]["haproxy.cfg"]
    assert f'server own "${{{NODE_ADDRESS}}}:10250"' in config
    assert "mode tcp" in config, "what goes through is encrypted, and the token in it"
    last = [line.strip() for line in config.splitlines() if "tcp-request content" in line]
    assert last == ["tcp-request content accept if { req.ssl_hello_type 1 }", "tcp-request content reject"]
    [egress] = found(copies, "NetworkPolicy/from-kubelet-proxy-outside")["spec"]["egress"]
    assert egress["ports"] == [{"protocol": "TCP", "port": 10250}]


def test_control_41_who_reads_logs_is_nobody_on_the_node_and_only_reads(copies: Stack) -> None:
    spec = pod(copies, f"DaemonSet/{APART}/collector")
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert (spec["securityContext"]["runAsUser"], spec["securityContext"]["runAsGroup"]) == (10001, 0)
    [mount] = [m for m in spec["containers"][0]["volumeMounts"] if m["name"] == "node"]
    assert mount == {"name": "node", "mountPath": "/logs", "readOnly": True}


def test_control_41_the_agents_namespace_is_there_only_where_agents_are(copies: Stack) -> None:
    labels = found(copies, f"Namespace/{APART}")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "privileged"
    assert {labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("audit", "warn")} == {"restricted"}
    assert found(copies, f"NetworkPolicy/{APART}/default-deny")
    assert not any(one["metadata"]["name"] == APART for one in stack("prod").objects)


def test_an_agent_is_on_every_node_whatever_keeps_others_off(copies: Stack) -> None:
    for name in (f"DaemonSet/{APART}/collector", "DaemonSet/node-exporter", "DaemonSet/kubelet-proxy"):
        spec = pod(copies, name)
        assert spec["nodeSelector"] == {"kubernetes.io/os": "linux"}
        assert [t["key"] for t in spec["tolerations"]] == ["sku"]
        assert "affinity" not in spec


def test_gpus_are_measured_where_they_are_and_taken_from_nobody(copies: Stack) -> None:
    spec = pod(copies, f"DaemonSet/{APART}/dcgm-exporter")
    terms = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert terms == [{"matchExpressions": [{"key": "slm/pool", "operator": "In", "values": ["gpu"]}]}]
    assert "nvidia.com/gpu" not in spec["containers"][0]["resources"]["limits"]


def test_gpus_on_nodes_that_nothing_tells_from_others_are_refused() -> None:
    bare = names(gpu_pools=({"name": "gpu", "gpus": 1},))
    around = Surroundings(on_each="gpu-machine")
    with pytest.raises(UnsupportedError, match=r"pool 'gpu'.*give the pool labels"):
        controller(service(volumes=()), around, bare)


def test_storage_cannot_follow_to_every_node() -> None:
    with pytest.raises(UnsupportedError, match="scratch space"):
        controller(page(), Surroundings(on_each="machine"), names())


def test_what_only_a_docker_host_shows_is_refused_on_a_cluster() -> None:
    with pytest.raises(UnsupportedError, match="container-engine"):
        as_agent(service(), "container-engine")


def test_logs_of_other_namespaces_are_not_read(copies: Stack) -> None:
    document = yaml.safe_load(found(copies, f"ConfigMap/{APART}/collector-files")["data"]["collector.yml"])
    assert document["receivers"]["file_log"]["include"] == ["/logs/slm_*/*/*.log", f"/logs/{APART}_*/*/*.log"]
    assert document["exporters"]["otlp_http"]["endpoint"] == "http://loki.slm.svc.cluster.local:3100/otlp"


def cluster(**more: Any) -> dict[str, Any]:
    return {"laptop": {"kind": "kubernetes", "kubeconfig": "/etc/k3s.yaml", **more}}


@pytest.mark.parametrize(
    ("target", "grafana", "told"),
    [
        ({}, {"bind": "192.0.2.1", "tls": {"certificate": "a", "key": "b"}, "url": "https://x.org"}, "grafana.bind"),
        ({"exposure": "internal"}, {}, "grafana.tls"),
    ],
)
def test_pages_that_others_reach_are_as_closed_as_the_gateway(
    tmp_path: Path, target: dict[str, Any], grafana: dict[str, Any], told: str
) -> None:
    gateway = {"hosts": ["slm.example.org"], "tls": {"certificate": "cert", "key": "cert-key"}}
    monitoring = {"target": "laptop", "grafana": grafana}
    with pytest.raises(SettingsError, match=told):
        load_changed({"targets": cluster(**target), "gateway": gateway, "monitoring": monitoring}, tmp_path)
