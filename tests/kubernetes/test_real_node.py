"""One real node: the unchanged program deploys a watched stack to it, and a token comes through the gateway.

Real here: kubelet, containerd, runc, kube-proxy, CoreDNS, the images, the weights, every probe, the secret files, the
way in by port forwarding, all of monitoring but Grafana. Not: NetworkPolicies are accepted and nobody enforces them; a
small machine tells the scheduler of more processors than it has. It takes root on Linux; elsewhere these tests are
skipped, and say what is missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from urllib.parse import urlsplit

import docker
import pytest
from kubernetes.config import new_client_from_config
from rich.console import Console

from components.catalog import catalog
from components.monitoring import prometheus
from components.monitoring.dashboards import Page, pages
from components.targets.kubernetes.site import Taint
from ops.images.build import Builder
from ops.site import discover
from rehearsal.control_plane import ControlPlane, SimulatedPool
from rehearsal.real_node import CannotRun, RealNode, configuration, require
from tests.kubernetes.conftest import wait
from tests.kubernetes.real_monitoring import NODE, Monitoring, connections, forbidden, kubelet, places
from tests.kubernetes.real_stack import AGENTS, MODEL, NAMESPACE, Cluster, Stack
from tests.kubernetes.real_traces import gone, processes_of
from tests.panels import MAY_HAPPEN, QUIET_PAGES, Watched, empty
from tests.webhook import Hook, listening

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(1500)]

KEY, SECOND = "slm-" + "k" * 40, "slm-" + "m" * 40
PARTS = {"alertmanager", "blackbox", "collector", "kubelet-proxy", "loki", "node-exporter", "prometheus"}
ROLES = ("fetch", "haproxy", "llamacpp", *sorted(PARTS - {"kubelet-proxy"}))
POOL = SimulatedPool(
    name="system", vm_size="Standard_D4as_v5", cpus=4, memory_mib=16384, system=True, min_nodes=1,
    # As clusters keep everything else off such nodes: agents of monitoring would be asked there, and nothing runs.
    taints=(Taint(key="CriticalAddonsOnly", value="true"),),
)  # fmt: skip
NOT_HERE = {
    "Time since the last backup": "make backup saves what is on a Docker engine",
}
"""Panels that are empty on this cluster, and why."""


@pytest.fixture(scope="module", autouse=True)
def _possible() -> None:
    try:
        require()
    except CannotRun as reason:
        pytest.skip(reason.what)


@pytest.fixture(scope="module")
def node() -> Iterator[RealNode]:
    """A control plane with a simulated node and a real one; nothing of either is left at the end."""
    with ControlPlane([POOL], real_nodes=True) as plane:
        with RealNode(plane, proxy=discover().proxy) as found:
            folder, ours = found.folder, processes_of(found.folder)
            assert len(ours) > 6, "the programs of the node, and a shim and two processes of the name server's pod"
            yield found
        gone(folder, ours)


@pytest.fixture(scope="module")
def images(node: RealNode) -> dict[str, str]:
    """The images as this checkout builds them, brought into the node; by role, as a stack file names them."""
    engine = docker.from_env()
    builder, rows = Builder(engine, Console(quiet=True)), catalog().images
    for role in ROLES:
        if builder.present(role, rows[role]) is None:
            builder.build(role, rows[role])
    found = node.images.from_docker(*(builder.tag(role, rows[role]) for role in ROLES))
    engine.close()
    return dict(zip(ROLES, found, strict=True))


@pytest.fixture(scope="module")
def cluster(node: RealNode) -> Iterator[Cluster]:
    api = new_client_from_config(str(node.plane.kubeconfig))
    yield Cluster(api)
    api.rest_client.pool_manager.clear()
    api.close()


@pytest.fixture(scope="module")
def hook(node: RealNode) -> Iterator[Hook]:
    """A receiver of alerts where pods reach this machine."""
    with listening(urlsplit(node.proxy).hostname or "") as hook:
        yield hook


@pytest.fixture(scope="module")
def stack(
    node: RealNode, images: dict[str, str], hook: Hook, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """The stack, brought up: every pod is ready by its own probe when this returns."""
    made = Stack(tmp_path_factory.mktemp("real"), node, images, KEY, hook.url)
    made("up", "--yes", "--skip-preview")
    yield made
    made("destroy", "--yes", "--skip-preview")


@pytest.mark.usefixtures("stack")
def test_a_real_token_comes_through_the_real_gateway_of_a_real_node(node: RealNode, cluster: Cluster) -> None:
    pods = cluster.pods()
    assert pods.keys() == {"chat", "chat-fetch", "gateway"} | PARTS
    assert {pod.spec.node_name for pod in pods.values()} == {node.name}
    assert {name for name, pod in pods.items() if pod.metadata.namespace == AGENTS} == {"collector"}
    for namespace, enforced in ((NAMESPACE, "restricted"), (AGENTS, "privileged")):
        labels = cluster.core.read_namespace(namespace).metadata.labels
        assert labels["pod-security.kubernetes.io/enforce"] == enforced
    assert pods["chat-fetch"].status.phase == "Succeeded"
    for name in pods.keys() - {"chat-fetch"}:
        (status,) = pods[name].status.container_statuses
        assert (status.ready, status.restart_count) == (True, 0)
        assert status.container_id.startswith("containerd://")
        assert IPv4Address(pods[name].status.pod_ip) in IPv4Network(configuration.PODS)

    assert cluster.ask("GET", "/v1/models")[0] == 401
    assert cluster.ask("GET", "/v1/models", key=SECOND)[0] == 401
    question = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "What is the capital of France? One word."}],
        "max_tokens": 16,
        "temperature": 0,
    }
    # The gateway is ready before it has seen its engine for the first time.
    wait(
        lambda: cluster.ask("POST", "/v1/chat/completions", {**question, "max_tokens": 1}, KEY)[0] != 503, "the engine"
    )
    status, answer = cluster.ask("POST", "/v1/chat/completions", question, KEY)
    assert status == 200, answer
    assert "Paris" in answer["choices"][0]["message"]["content"]
    assert answer["usage"]["completion_tokens"] > 0

    def log() -> str:
        return str(cluster.core.read_namespaced_pod_log(pods["gateway"].metadata.name, NAMESPACE))

    def statuses(path: str) -> list[int]:
        told = (json.loads(line) for line in log().splitlines() if line.startswith("{"))
        return [line["status"] for line in told if line["path"] == path and line["status"] != 503]

    wait(lambda: statuses("/v1/chat/completions") == [200, 200], "the gateway's lines in the pod's log")
    # The prober of monitoring asks without a key as well.
    assert set(statuses("/v1/models")) == {401}
    assert KEY not in log()


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize("workload", ["chat", "gateway", *sorted(PARTS)])
def test_control_23_the_kernel_holds_the_container_to_what_its_pod_says(cluster: Cluster, workload: str) -> None:
    words = dict(line.split(":\t", 1) for line in cluster.run(workload, "cat", "/proc/1/status").splitlines())
    assert set(words["Uid"].split()) == {"10001"}
    assert int(words["CapEff"], 16) == int(words["CapBnd"], 16) == 0
    assert (words["NoNewPrivs"], words["Seccomp"]) == ("1", "2")
    assert "Read-only file system" in cluster.run(workload, "sh", "-c", "touch /usr/it 2>&1")
    assert "No such file" in cluster.run(workload, "sh", "-c", "ls /var/run/secrets/kubernetes.io 2>&1")
    environment = cluster.run(workload, "cat", "/proc/1/environ")
    assert "_SERVICE_HOST" not in environment.replace("KUBERNETES_SERVICE_HOST", "")


@pytest.fixture(scope="module")
def watched(stack: Stack, cluster: Cluster) -> Monitoring:
    """What watches the stack, once somebody has used it."""
    ask = {"model": MODEL, "messages": [{"role": "user", "content": "Say hi."}], "max_tokens": 4}
    wait(lambda: cluster.ask("POST", "/v1/chat/completions", ask, KEY)[0] == 200, "an answer")
    monitoring = Monitoring(stack)
    wait(lambda: monitoring.query('slm_key_requests_total{code_class="2xx"}'), "the first request of the key")
    for _ in range(3):
        assert cluster.ask("POST", "/v1/chat/completions", ask, KEY)[0] == 200
    return monitoring


def test_everything_that_prometheus_asks_on_a_cluster_answers(watched: Monitoring) -> None:
    jobs = {"alertmanager", "blackbox", "cadvisor", "gateway", "llamacpp", "loki", "node", "prometheus"}
    # The collector is asked for its own figures, and for those of keys.
    expected = {job: ["up"] for job in jobs} | {"collector": ["up", "up"]}
    wait(lambda: watched.targets() == expected, f"{expected}, and it is {watched.targets()}", 180)


def test_kubelets_figures_are_of_this_stacks_containers_alone(watched: Monitoring, cluster: Cluster) -> None:
    pods = cluster.pods()
    running = pods.keys() - {"chat-fetch"}

    def seen() -> set[str]:
        return {found["metric"]["workload"] for found in watched.query("slm:workload_memory_bytes > 0")}

    wait(lambda: seen() >= running, "the memory of each container", 180)
    assert seen() <= pods.keys(), "coredns and what this machine runs beside are on the same kernel"
    containers = watched.query('count by (pod) ({job="cadvisor",__name__=~"container_.+"})')
    assert {found["metric"]["pod"] for found in containers} <= {pod.metadata.name for pod in pods.values()}

    def as_described() -> set[str]:
        same = watched.query("slm:workload_limit_seen_bytes == slm:workload_memory_limit_bytes")
        return {found["metric"]["workload"] for found in same}

    # Its own rules cannot tell of Prometheus that it is missing, so they do not describe it.
    wait(lambda: as_described() >= running - {"prometheus"}, "the limit of each container, as described")
    assert watched.query("slm:workload_limit_seen_bytes != slm:workload_memory_limit_bytes") == []


def test_control_26_prometheus_token_reads_figures_of_kubelets_and_nothing_else(
    watched: Monitoring, cluster: Cluster
) -> None:
    token = cluster.run("prometheus", "cat", "/var/run/slm-token/token")
    pod = cluster.pods()["gateway"].metadata
    of_gateway = f"/{pod.namespace}/{pod.name}/gateway"
    allowed = {path: kubelet(cluster, path, token) for path in ("/metrics/cadvisor", "/metrics/resource")}
    assert set(allowed.values()) == {200}
    others = ("/pods", "/logs/", f"/containerLogs{of_gateway}", f"/exec{of_gateway}?command=id", "/configz")
    assert {path: kubelet(cluster, path, token) for path in others} == dict.fromkeys(others, 403)
    assert kubelet(cluster, "/metrics/cadvisor", "") == 401


def test_lines_of_pods_arrive_with_the_names_of_their_workloads(watched: Monitoring) -> None:
    def asked() -> list[dict[str, object]]:
        told = (json.loads(line) for line in watched.lines('{workload="gateway"}') if line.startswith("{"))
        return [line for line in told if line["path"] == "/v1/chat/completions" and line["status"] == 200]

    wait(lambda: len(asked()) >= 4, "the lines of requests")
    assert {"key", "id", "model"} <= asked()[0].keys()
    for workload in ("chat", "chat-fetch"):
        wait(lambda name=workload: watched.lines(f'{{workload="{name}"}}'), f"lines of {workload}")
    assert KEY not in "".join(watched.lines('{workload=~".+"}'))
    labels = watched.get("http://loki:3100/loki/api/v1/label/workload/values")["data"]
    assert "coredns" not in labels, "it is of another namespace"


def test_rules_hold_and_the_watchdog_is_heard_of(watched: Monitoring) -> None:
    wait(lambda: all(rule["health"] != "unknown" for rule in watched.rules()), "every rule evaluated once", 240)
    assert [(rule["name"], rule["lastError"]) for rule in watched.rules() if rule["health"] != "ok"] == []

    def heard() -> set[str]:
        return {alert["labels"]["alertname"] for alert in watched.get("http://alertmanager:9093/api/v2/alerts")}

    wait(lambda: "Watchdog" in heard(), "the watchdog at Alertmanager", 180)


def test_no_alert_is_on_its_way_on_a_cluster_that_is_well(watched: Monitoring) -> None:
    # Of this machine itself, and of the moment: it is busy, and a deployment is a start.
    machine = {"Watchdog", "DiskNearlyFull", "DiskFillsSoon", "HostClockUnset", "HostMemoryLow", "HostClockWrong"}
    machine |= {"WorkloadRestarted", "WorkloadThrottled", "TokensSlow", "MemoryAbovePrediction"}

    def named() -> set[str]:
        return {found["metric"]["alertname"] for found in watched.query("ALERTS")}

    # The kubelet's figures of a container come some seconds later than others, and until then it is missing.
    wait(lambda: named() - machine == set(), f"nothing but {machine}, and it is {named()}", 240)
    assert "Watchdog" in named()


def test_status_and_report_go_through_the_pod(watched: Monitoring, stack: Stack) -> None:
    def status() -> str:
        done = stack.ops("status")
        assert "Traceback" not in done.output
        return done.output if done.code == 0 else ""

    text = wait(status, "a status without anything broken", 300)
    for words in ("up, ready", "nothing is broken", "chat (llamacpp)", "/var/lib/kubelet:"):
        assert words in text, text
    assert re.search(r"\d+% of \d+ MiB", text), "its memory beside what was predicted"
    file = stack.folder / "report.html"
    stack.ops("report", "--hours", "1", "--file", str(file)).must_succeed()
    report = file.read_text()
    drawn = set(re.findall(r'<svg role="img" aria-label="([^"]+)"', report))
    assert {"Requests", "Errors", "Tokens made", "Memory"} <= drawn
    assert KEY not in report


def test_a_test_alert_leaves_the_cluster(watched: Monitoring, stack: Stack, hook: Hook) -> None:
    done = stack.ops("alert-test").must_succeed()
    assert "taken     by oncall (webhook)" in done.output
    [alert] = [alert for alert in hook.alerts if alert["labels"]["alertname"] == "AlertTest"]
    assert alert["labels"]["engine"] in done.output
    stack.ops("alert-test", "--severity", "info").must_fail("no receiver", "takes info alerts")


def test_control_31_policies_would_let_every_connection_that_is_open_pass(
    watched: Monitoring, cluster: Cluster
) -> None:
    """Nobody enforces them here, so what they say is held against what the kernel says is connected."""
    known = places(cluster)
    seen = connections(cluster, known)
    names = {(known[source].name, known[target].name) for source, target, _ in seen}
    asked = PARTS - {"kubelet-proxy"} | {"chat", "gateway"}
    expected = {("prometheus", name) for name in asked - {"prometheus", "blackbox"}}
    expected |= {("collector", "loki"), ("prometheus", "kubelet-proxy"), ("kubelet-proxy", NODE)}
    assert expected <= names
    assert forbidden(cluster, seen, known) == []


@pytest.mark.parametrize("page", [p for p in pages() if p.uid not in QUIET_PAGES], ids=lambda page: page.uid)
def test_every_panel_shows_something_of_a_cluster(stack: Stack, watched: Monitoring, page: Page) -> None:
    if page.uid == "slm-logs":
        stack.note("up")
    found = Watched(watched.get, {"chat": "llamacpp"})
    may_be = {*MAY_HAPPEN, *NOT_HERE}
    # Rates begin with the second figure, and some rules are evaluated once a minute.
    wait(lambda: empty(found, page, may_be) == [], f"{page.title}: {empty(found, page, may_be)}", 240)


def test_a_probe_of_the_way_to_the_kubelet_is_no_failed_handshake(watched: Monitoring, node: RealNode) -> None:
    assert "TLS handshake error" not in (node.folder / "kubelet.log").read_text()


def test_a_key_is_rotated_before_the_eyes_of_a_real_kubelet_and_no_pod_that_serves_notices(
    stack: Stack, cluster: Cluster
) -> None:
    def pods() -> dict[str, str]:
        # Prometheus is told when the new key was made, and begins again with that.
        return {name: pod.metadata.uid for name, pod in cluster.pods().items() if name != prometheus.NAME}

    before = pods()
    stack.keys({"second": SECOND})
    stack("up", "--yes", "--skip-preview")
    wait(lambda: cluster.ask("GET", "/v1/models", key=SECOND)[0] == 200, "the new key to open", 300)
    assert cluster.ask("GET", "/v1/models", key=KEY)[0] == 401
    assert pods() == before
    assert all(pod.status.container_statuses[0].restart_count == 0 for pod in cluster.pods().values())
    stack.keys({"first": KEY})
    stack("up", "--yes", "--skip-preview")
