"""Who may talk to whom in a whole stack: exactly the edges of its graph, and nothing to a node's own services."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from components.targets.kubernetes.names import Manifest
from components.targets.kubernetes.network import default_deny, outside_service, policies, services
from components.targets.placement import Caller, Exposure, Outside, Surroundings, UnsupportedError
from tests.unit.kubernetes_policies import Pod, Policies
from tests.unit.kubernetes_samples import job, names, of_kind, pod_specs, service, stack

pytestmark = pytest.mark.unit

PORTS = (80, 443, 8000, 8080, 8081, 8404, 11434)
EDGES = {
    ("gateway", "chat", 11434),
    ("gateway", "cpu", 8080),
    ("webui", "gateway", 8081),
}
METADATA = ("169.254.169.254", "168.63.129.16", "169.254.170.2", "100.100.100.200", "192.0.0.192")
INSIDE = ("10.0.0.1", "10.244.3.9", "172.20.1.1", "192.168.1.1", "127.0.0.1")
NAME_SERVER = Pod.of({"k8s-app": "kube-dns"}, "kube-system")
KEDA = Pod.of({"app.kubernetes.io/name": "keda-operator"}, "keda")


def pods(found: list[Manifest]) -> dict[str, Pod]:
    """A pod of everything that runs, by its workload's name."""
    made = {}
    for template in pod_specs(found).values():
        labels = template["metadata"]["labels"]
        made[labels["app.kubernetes.io/name"]] = Pod.of(labels)
    return made


@pytest.fixture
def whole(tmp_path: Path) -> list[Manifest]:
    return stack(tmp_path)


def test_control_31_every_pod_is_denied_both_ways_but_for_the_edges_of_the_graph(whole: list[Manifest]) -> None:
    rules, running = Policies(whole), pods(whole)
    assert set(running) == {
        *("chat", "chat-fetch", "chat-import"),
        *("cpu", "cpu-fetch", "cpu-to-hf", "cpu-to-onnx"),
        *("gateway", "webui"),
    }
    for pod in running.values():
        assert rules.selected(pod, "Ingress")
        assert rules.selected(pod, "Egress")
    found = {
        (a, b, port)
        for (a, source), (b, target), port in product(running.items(), running.items(), PORTS)
        if rules.reaches(source, target, port)
    }
    assert found == EDGES


def test_control_31_the_denial_needs_no_label(whole: list[Manifest]) -> None:
    stranger = Pod.of({"app": "debug"})
    rules = Policies(whole)
    for other in pods(whole).values():
        for port in PORTS:
            assert not rules.may_send(stranger, other, port)
            assert not rules.may_receive(other, stranger, port)
            assert not rules.may_receive(other, Pod.of(dict(stranger.labels), "default"), port)
    assert default_deny(names())["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_only_who_calls_somebody_may_ask_the_name_server(whole: list[Manifest]) -> None:
    rules = Policies(whole)
    asks = {n for n, pod in pods(whole).items() if rules.may_send(pod, NAME_SERVER, 53, "UDP")}
    assert asks == {"gateway", "webui", "chat-fetch", "cpu-fetch"}
    assert asks == {n for n, pod in pods(whole).items() if rules.may_send(pod, NAME_SERVER, 53)}
    gateway = pods(whole)["gateway"]
    assert not rules.may_send(gateway, Pod.of({"k8s-app": "kube-dns"}, "default"), 53, "UDP")
    assert not rules.may_send(gateway, Pod.of({"k8s-app": "other"}, "kube-system"), 53, "UDP")


def test_only_jobs_that_fetch_reach_the_internet_and_only_its_port_443(whole: list[Manifest]) -> None:
    rules = Policies(whole)
    reached = {
        (n, port) for n, pod in pods(whole).items() for port in PORTS if rules.may_send(pod, "203.0.113.1", port)
    }
    assert reached == {("chat-fetch", 443), ("cpu-fetch", 443)}


@pytest.mark.parametrize("address", [*METADATA, *INSIDE])
def test_control_31_nobody_reaches_a_nodes_own_services_or_private_networks(
    whole: list[Manifest], address: str
) -> None:
    rules = Policies(whole)
    for name, pod in pods(whole).items():
        for port in (*PORTS, 6443, 53):
            assert not rules.may_send(pod, address, port), f"{name} reaches {address}:{port}"


def test_the_gateway_reaches_an_endpoint_of_someone_elses_and_nothing_beside_it(whole: list[Manifest]) -> None:
    rules, gateway = Policies(whole), pods(whole)["gateway"]
    assert rules.may_send(gateway, "203.0.113.9", 8443)
    assert not rules.may_send(gateway, "203.0.113.9", 443)
    assert not rules.may_send(gateway, "203.0.113.10", 8443)


def test_a_private_endpoint_is_reached_by_its_address_and_a_named_one_on_the_internet_alone() -> None:
    around = Surroundings(outside=(Outside("10.1.2.3", 8000), Outside("models.example.com", 443)))
    rules = Policies([default_deny(names()), *policies(service(egress=True), around, names())])
    pod = Pod.of(names().selector("chat"))
    assert rules.may_send(pod, "10.1.2.3", 8000)
    assert not rules.may_send(pod, "10.1.2.4", 8000)
    assert rules.may_send(pod, "203.0.113.1", 443)
    assert not rules.may_send(pod, "10.1.2.3", 443)
    assert not rules.may_send(pod, "203.0.113.1", 8000)


def test_a_site_adds_its_proxy_and_its_mirror() -> None:
    given = names(egress=({"cidr": "10.9.0.5/32", "port": 3128},))
    rules = Policies([default_deny(given), *policies(job(egress=True), Surroundings(), given)])
    pod = Pod.of(given.selector("chat-fetch"))
    assert rules.may_send(pod, "10.9.0.5", 3128)
    assert not rules.may_send(pod, "10.9.0.5", 443)
    assert not policies(job(), Surroundings(), given), "a job without a way out gets none"


@pytest.mark.parametrize("exposure", ["none", "internal", "public"])
def test_control_33_only_the_way_in_is_reached_from_outside_and_only_from_the_given_ranges(
    tmp_path: Path, exposure: str
) -> None:
    ranges: dict[str, Any] = {"source_ranges": ("203.0.113.0/24",)} if exposure == "public" else {}
    found = stack(tmp_path, exposure=exposure, **ranges)
    rules = Policies(found)
    sources = {"none": (), "internal": ("10.3.2.1",), "public": ("203.0.113.77",)}[exposure]
    reached = {
        (n, source, port)
        for n, pod in pods(found).items()
        for source in ("198.51.100.1", "203.0.113.77", "10.3.2.1")
        for port in PORTS
        if rules.may_receive(pod, source, port)
    }
    assert reached == {(n, source, 8080) for n in ("gateway", "webui") for source in sources}


def test_control_33_the_load_balancer_has_the_way_ins_port_and_no_other(tmp_path: Path) -> None:
    balanced = {n: s for n, s in of_kind(stack(tmp_path, exposure="internal"), "Service").items() if "LoadB" in str(s)}
    assert set(balanced) == {"gateway-outside", "webui-outside"}
    spec = balanced["gateway-outside"]["spec"]
    assert [(p["port"], p["targetPort"]) for p in spec["ports"]] == [(8080, 8080)]
    assert spec["externalTrafficPolicy"] == "Local", "else nobody knows where a client comes from"
    assert spec["loadBalancerSourceRanges"] == ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"]


def test_what_a_cloud_wants_to_hear_is_on_the_load_balancer_alone() -> None:
    given = names(exposure="internal", load_balancer_annotations={"internal": "true"}, source_ranges=("10.1.0.0/16",))
    exposure = Exposure("127.0.0.1", 443)
    found = outside_service(service(), exposure, given)
    assert found is not None
    assert found["metadata"]["annotations"] == {"internal": "true"}
    assert found["spec"]["ports"][0]["port"] == 443
    assert found["spec"]["loadBalancerSourceRanges"] == ["10.1.0.0/16"]
    assert outside_service(service(), exposure, names()) is None
    with pytest.raises(UnsupportedError, match="no port"):
        outside_service(job(), exposure, given)


def test_control_33_no_service_opens_a_port_of_a_node(tmp_path: Path) -> None:
    for exposure in ("none", "internal"):
        for name, found in of_kind(stack(tmp_path, exposure=exposure), "Service").items():
            assert found["spec"]["type"] in ("ClusterIP", "LoadBalancer"), name
            assert not {"externalIPs", "externalName"} & found["spec"].keys()
            assert not any("nodePort" in port for port in found["spec"]["ports"])


def test_an_engines_name_stands_for_each_of_its_copies_and_the_gateways_for_any() -> None:
    [engine] = services(service(), Surroundings(callers=(Caller("gateway"),)), names())
    assert engine["spec"]["clusterIP"] == "None"
    assert [(p["name"], p["port"], p["targetPort"]) for p in engine["spec"]["ports"]] == [("serving", 8000, 8000)]
    around = Surroundings(Exposure("127.0.0.1", 80), callers=(Caller("webui", 8081),), metrics_port=8404)
    way_in, copies = services(service(), around, names())
    assert "clusterIP" not in way_in["spec"]
    assert copies["metadata"]["name"] == f"{way_in['metadata']['name']}-copies"
    assert (copies["spec"]["clusterIP"], copies["spec"]["publishNotReadyAddresses"]) == ("None", True)
    assert [(p["name"], p["port"]) for p in copies["spec"]["ports"]] == [("metrics", 8404)]
    assert [(p["name"], p["port"]) for p in way_in["spec"]["ports"]] == [
        ("serving", 8000), ("inside", 8081), ("metrics", 8404),
    ]  # fmt: skip
    assert services(job(), Surroundings(), names()) == []


def test_keda_reads_the_gateways_numbers_where_something_is_scaled_by_them() -> None:
    given = names(keda_namespace="keda")
    around = Surroundings(metrics_port=8404, scales_others=True)
    rules = Policies([default_deny(given), *policies(service(), around, given)])
    pod = Pod.of(given.selector("chat"))
    assert rules.may_receive(pod, KEDA, 8404)
    assert not rules.may_receive(pod, KEDA, 8000)
    assert not rules.may_receive(pod, Pod.of(dict(KEDA.labels), "default"), 8404)
    assert not rules.may_receive(pod, Pod.of({"app.kubernetes.io/name": "x"}, "keda"), 8404)
    assert policies(service(), around, names()) == []
    assert policies(service(), Surroundings(metrics_port=8404), given) == [], "monitoring alone reads them"
    assert policies(service(), Surroundings(), given) == []
