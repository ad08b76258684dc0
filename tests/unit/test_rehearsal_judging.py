"""What judges a rehearsal can fail: each judgement is given the good world, and the world broken in one place."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest

from rehearsal.life.judging import admission, edges, network, objects, scrape
from rehearsal.life.judging.canaries import Search
from rehearsal.life.judging.network import Edge, Place

pytestmark = pytest.mark.unit

Object = dict[str, Any]
SPACE = "slm"


def policy(name: str, pods: Object, **spec: Any) -> Object:
    return {"metadata": {"name": name, "namespace": SPACE}, "spec": {"podSelector": pods, **spec}}


def labelled(name: str) -> Object:
    return {"matchLabels": {"app": name}}


DENIAL = policy("default-deny", {}, policyTypes=["Ingress", "Egress"])
TO_ENGINE = policy(
    "to-engine", labelled("engine"), policyTypes=["Ingress"],
    ingress=[{"from": [{"podSelector": labelled("gateway")}], "ports": [{"protocol": "TCP", "port": 8000}]}],
)  # fmt: skip
FROM_GATEWAY = policy(
    "from-gateway", labelled("gateway"), policyTypes=["Egress"],
    egress=[{"to": [{"podSelector": labelled("engine")}], "ports": [{"protocol": "TCP", "port": 8000}]}],
)  # fmt: skip
POLICIES = [DENIAL, TO_ENGINE, FROM_GATEWAY]
PLACES = [
    Place("engine", SPACE, {"app": "engine"}),
    Place("gateway", SPACE, {"app": "gateway"}),
    Place("stranger", "default", {"app": "gateway"}),
    Place("internet", address="198.51.100.7"),
    Place("metadata", address="169.254.169.254"),
]
WANTED = {Edge("gateway", "engine", 8000)}


def found(policies: list[Object]) -> set[Edge]:
    return network.allowed(policies, PLACES, [8000, 443], SPACE)


def test_control_31_the_policies_of_a_stack_open_its_own_edge_and_no_other() -> None:
    assert edges.differences(found(POLICIES), WANTED) == []


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_control_31_a_policy_that_is_gone_is_seen(missing: int) -> None:
    left = [one for number, one in enumerate(POLICIES) if number != missing]
    assert edges.differences(found(left), WANTED) != []


@pytest.mark.parametrize(
    ("peer", "who"),
    [
        ({"namespaceSelector": {}}, "stranger"),
        ({"ipBlock": {"cidr": "0.0.0.0/0"}}, "internet"),
        ({"ipBlock": {"cidr": "169.254.0.0/16"}}, "metadata"),
    ],
)
def test_control_31_a_peer_too_many_is_named(peer: Object, who: str) -> None:
    wide = copy.deepcopy(TO_ENGINE)
    wide["spec"]["ingress"][0]["from"].append(peer)
    problems = edges.differences(found([DENIAL, wide, FROM_GATEWAY]), WANTED)
    assert any(problem.startswith(f"open, and must not be: {who} → engine:8000") for problem in problems)


def test_a_rule_without_peers_or_ports_opens_everything() -> None:
    everything = policy("all", labelled("engine"), policyTypes=["Ingress"], ingress=[{}])
    assert Edge("internet", "engine", 443) in found([*POLICIES, everything])


def test_an_exception_of_a_range_stays_closed() -> None:
    block = {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}}
    out = policy("out", labelled("engine"), policyTypes=["Egress"], egress=[{"to": [block]}])
    opened = found([*POLICIES, out])
    assert Edge("engine", "internet", 443) in opened
    assert Edge("engine", "metadata", 443) not in opened


def test_a_range_of_addresses_is_no_pod() -> None:
    block = {"ipBlock": {"cidr": "0.0.0.0/0"}}
    inwards = policy("in", labelled("engine"), policyTypes=["Ingress"], ingress=[{"from": [block]}])
    assert Edge("stranger", "engine", 8000) not in found([*POLICIES, inwards])


def test_ports_may_be_a_range() -> None:
    wide = copy.deepcopy(FROM_GATEWAY)
    wide["spec"]["egress"][0]["ports"] = [{"protocol": "TCP", "port": 7000, "endPort": 9000}]
    assert found([DENIAL, TO_ENGINE, wide]) == WANTED


@pytest.mark.parametrize(("protocol", "is_open"), [("TCP", True), ("UDP", False), (None, True)])
def test_a_port_is_open_for_its_own_protocol_and_that_is_tcp_when_none_is_said(
    protocol: str | None, is_open: bool
) -> None:
    ports = [{"port": 8000, **({"protocol": protocol} if protocol else {})}]
    said = policy("said", labelled("engine"), policyTypes=["Ingress"], ingress=[{"ports": ports}])
    engine, gateway = PLACES[:2]
    assert network.may([DENIAL, said], "Ingress", engine, gateway, 8000) is is_open
    assert network.may([DENIAL, said], "Ingress", engine, gateway, 8000, "UDP") is not is_open


@pytest.mark.parametrize(
    ("expression", "taken"),
    [
        ({"key": "app", "operator": "In", "values": ["engine"]}, True),
        ({"key": "app", "operator": "NotIn", "values": ["engine"]}, False),
        ({"key": "app", "operator": "Exists"}, True),
        ({"key": "app", "operator": "DoesNotExist"}, False),
    ],
)
def test_selectors_are_read_as_kubernetes_reads_them(expression: Object, taken: bool) -> None:
    assert network.selects({"matchExpressions": [expression]}, {"app": "engine"}) is taken


def test_an_unknown_operator_is_an_error() -> None:
    with pytest.raises(ValueError, match="Near"):
        network.selects({"matchExpressions": [{"key": "app", "operator": "Near"}]}, {})


def controller() -> Object:
    resources = {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}}
    container = {
        "name": "engine", "image": "registry.example/engine:1@sha256:" + "0" * 64, "resources": resources,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
        **{probe: {"exec": {"command": ["true"]}} for probe in objects.PROBES},
    }  # fmt: skip
    spec = {
        "containers": [container], "terminationGracePeriodSeconds": 60, "automountServiceAccountToken": False,
    }  # fmt: skip
    template = {"metadata": {"labels": {"app": "engine"}}, "spec": spec}
    return {"metadata": {"name": "engine", "namespace": SPACE}, "spec": {"template": template}}


BUDGET = {"spec": {"selector": labelled("engine")}}


def broken(path: str, value: Any = None) -> Object:
    """The controller with one field of its pod changed; with None, without it."""
    one = controller()
    at: Any = one["spec"]["template"]["spec"]
    *parents, last = path.split(".")
    for part in parents:
        at = at[int(part)] if part.isdigit() else at[part]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return one


def test_a_workload_with_everything_has_no_problem() -> None:
    assert list(objects.controller_problems([controller()], [BUDGET])) == []


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("containers.0.startupProbe", None, "no startupProbe"),
        ("containers.0.readinessProbe", None, "no readinessProbe"),
        ("containers.0.livenessProbe", None, "no livenessProbe"),
        ("containers.0.resources.limits.memory", None, "no limit of memory"),
        ("containers.0.resources.requests.cpu", "500m", "asks for 500m"),
        ("containers.0.image", "registry.example/engine:1", "no digest"),
        ("containers.0.lifecycle", None, "before it is stopped"),
        ("terminationGracePeriodSeconds", 5, "5 s to end"),
        ("automountServiceAccountToken", None, "token of its service account"),
    ],
)
def test_each_thing_that_a_workload_lacks_is_named(path: str, value: Any, problem: str) -> None:
    problems = list(objects.controller_problems([broken(path, value)], [BUDGET]))
    assert len(problems) == 1
    assert problem in problems[0]


def test_a_workload_without_a_budget_and_a_stack_without_workloads_are_problems() -> None:
    assert list(objects.controller_problems([controller()], [{"spec": {"selector": labelled("other")}}])) == [
        "engine: no disruption budget"
    ]
    assert list(objects.controller_problems([], [BUDGET])) == ["there is no workload at all"]


NODES = [
    {"metadata": {"name": "gpu-0", "labels": {objects.POOL: "gpu"}}},
    {"metadata": {"name": "general-0", "labels": {objects.POOL: "general"}}},
]


def pod(name: str, node: str | None, workload: str = "engine") -> Object:
    spec = {"nodeName": node} if node else {}
    return {"metadata": {"name": name, "uid": name, "labels": {"app.kubernetes.io/name": workload}}, "spec": spec}


@pytest.mark.parametrize(
    ("pods", "problem"),
    [
        ([pod("a", "gpu-0")], None),
        ([pod("a", "general-0")], "on general-0 of pool general"),
        ([pod("a", None)], "on no node"),
        ([], "no pod"),
    ],
)
def test_a_pod_on_the_wrong_pool_or_none_is_named(pods: list[Object], problem: str | None) -> None:
    problems = list(objects.placement_problems(pods, NODES, {"engine": "gpu"}))
    assert (problems == []) is (problem is None)
    assert problem is None or problem in problems[0]


def test_only_the_real_schedulers_event_counts() -> None:
    event = {"reason": "Scheduled", "involvedObject": {"name": "a"}, "source": {"component": "default-scheduler"}}
    other = {**event, "source": {"component": "somebody"}}
    assert list(objects.unscheduled([pod("a", "gpu-0")], [event])) == []
    assert list(objects.unscheduled([pod("a", "gpu-0")], [other])) == ["a"]
    assert list(objects.unscheduled([pod("b", "gpu-0")], [event])) == ["b"]


def test_a_replaced_pod_and_a_restarted_container_have_another_identity() -> None:
    one = pod("a", "gpu-0") | {"status": {"containerStatuses": [{"restartCount": 0}]}}
    restarted = pod("a", "gpu-0") | {"status": {"containerStatuses": [{"restartCount": 1}]}}
    replaced = copy.deepcopy(one)
    replaced["metadata"]["uid"] = "another"
    known = objects.identities([one])
    assert known == objects.identities([copy.deepcopy(one)])
    assert known != objects.identities([restarted])
    assert known != objects.identities([replaced])


def test_a_pod_that_leaves_is_not_ready() -> None:
    ready = pod("a", "gpu-0") | {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    assert objects.is_ready(ready)
    ready["metadata"]["deletionTimestamp"] = "2026-11-26T00:00:00Z"
    assert not objects.is_ready(ready)


def test_the_schedulers_sentence_is_that_of_a_pod_without_a_node() -> None:
    waiting = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}
    assert objects.waits_because(pod("a", None) | {"status": {"conditions": [waiting]}}) == "0/3 nodes are available"
    assert objects.waits_because(pod("a", "gpu-0") | {"status": {"conditions": [{**waiting, "status": "True"}]}}) == ""


def test_control_22_each_mutant_differs_from_the_pod_and_from_the_others() -> None:
    whole = admission.pod_of(controller(), "rehearsed")
    mutants = admission.mutants(whole)
    assert len(mutants) >= 7
    texts = [str(whole), *(str(mutant) for mutant in mutants.values())]
    assert len(set(texts)) == len(texts)
    assert whole == admission.pod_of(controller(), "rehearsed")


@pytest.mark.parametrize(
    ("message", "good"),
    [
        ('pods "x" is forbidden: violates PodSecurity "restricted:v1.34": privileged (…)', True),
        ('pods "x" is forbidden: violates PodSecurity "restricted:v1.34": seccompProfile (…)', False),
        ("exceeded quota", False),
        (None, False),
    ],
)
def test_control_22_a_pod_that_is_taken_or_refused_for_another_reason_is_a_problem(
    message: str | None, good: bool
) -> None:
    assert (admission.refusal_problem("privileged", message) == "") is good


@pytest.mark.parametrize(
    "spelling", [lambda s: s, lambda s: s.encode().hex(), lambda s: base64.b64encode(f"ab{s}".encode()).decode()]
)
def test_control_65_a_secret_is_found_in_every_spelling_and_never_repeated(spelling: Any) -> None:
    search = Search({"key-1": "slm-0123456789abcdef"})
    search.look("the state", f"x {spelling('slm-0123456789abcdef')} y")
    assert search.hits == {"key-1 in the state"}
    clean = Search({"key-1": "slm-0123456789abcdef"})
    clean.look("the state", b"nothing here")
    assert clean.hits == set()
    assert clean.places == 1


def service_of(name: str, port: int, workload: str, *, address: str | None = "None") -> Object:
    spec = {"ports": [{"port": port}], "selector": {"app.kubernetes.io/name": workload}}
    whole = {**spec, "clusterIP": address} if address else spec
    return {"metadata": {"name": name, "namespace": SPACE}, "spec": whole}


JOBS: list[Object] = [
    {"job_name": "gateway", "dns_sd_configs": [{"names": ["gateway-copies.slm.svc.cluster.local"], "port": 8404}]},
    {
        "job_name": "ollama",
        "static_configs": [{"targets": ["chat:11434"]}],
        "relabel_configs": [
            {"target_label": "__address__", "replacement": "exporter.slm.svc.cluster.local:9401"},
        ],
    },
    {"job_name": "cadvisor", "kubernetes_sd_configs": [{"role": "node"}]},
]
SERVICES = [service_of("gateway-copies", 8404, "gateway"), service_of("exporter", 9401, "exporter", address=None)]
READY = {"gateway": 2, "exporter": 1}


def test_control_54_an_agent_finds_every_copy_of_what_it_asks() -> None:
    assert list(scrape.unanswered(JOBS, SERVICES, READY)) == []
    assert {job for job, _, _ in scrape.asked(JOBS)} == {"gateway", "ollama"}


@pytest.mark.parametrize(
    ("services", "ready", "told"),
    [
        (SERVICES[:1], READY, "no such Service"),
        ([service_of("gateway-copies", 8080, "gateway"), SERVICES[1]], READY, "no such port"),
        (SERVICES, {"gateway": 2}, "no ready pod"),
        ([service_of("gateway-copies", 8404, "gateway", address=None), SERVICES[1]], READY, "one address for 2 copies"),
    ],
)
def test_control_54_an_agent_that_would_ask_in_vain_is_seen(
    services: list[Object], ready: dict[str, int], told: str
) -> None:
    (problem,) = scrape.unanswered(JOBS, services, ready)
    assert told in problem
