"""One real node: the unchanged program deploys a stack to it, containers run, and a token comes through the gateway.

Real here: kubelet, containerd, runc, kube-proxy, CoreDNS, the images, the weights, every probe, the secret files, the
way in by port forwarding. Not: NetworkPolicies are accepted and nobody enforces them. It takes root on Linux; elsewhere
these tests are skipped, and say what is missing.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import docker
import psutil
import pytest
from kubernetes.config import new_client_from_config
from rich.console import Console

from components.catalog import catalog
from ops.images_build import Builder
from ops.site import discover
from rehearsal.control_plane import ControlPlane, SimulatedPool
from rehearsal.real_node import CannotRun, RealNode, cgroups, configuration, require
from rehearsal.real_node.node import remove_abandoned
from tests.kubernetes.conftest import running, wait
from tests.kubernetes.real_stack import CHECKOUT, MODEL, NAMESPACE, Cluster, Stack

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(1500)]

KEY, SECOND = "slm-" + "k" * 40, "slm-" + "m" * 40
ROLES = ("fetch", "haproxy", "llamacpp")
POOL = SimulatedPool(name="system", vm_size="Standard_D4as_v5", cpus=4, memory_mib=16384, system=True, min_nodes=1)


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


def processes_of(folder: Path) -> list[int]:
    """Everything that runs in the network or below the first process of the node that has the folder."""
    (first,) = [p for p in psutil.process_iter(["cmdline"]) if is_first(p.info["cmdline"] or [], folder)]
    return [first.pid, *(child.pid for child in first.children(recursive=True)), *in_namespace_of(first.pid)]


def is_first(command: list[str], folder: Path) -> bool:
    # unshare has the same words, but for its own before them.
    return command[1:] == ["-m", "rehearsal.real_node.inside", str(folder)]


def in_namespace_of(pid: int) -> list[int]:
    network = os.readlink(f"/proc/{pid}/ns/net")
    found = []
    for process in psutil.process_iter():
        try:
            if os.readlink(f"/proc/{process.pid}/ns/net") == network:
                found.append(process.pid)
        except OSError:
            continue
    return found


def gone(folder: Path, ours: list[int]) -> None:
    """Nothing is left of the node that had the folder: processes, files, control groups, mounts, cable."""
    assert running(ours) == []
    assert not folder.exists()
    assert [tree for tree in cgroups.trees() if (tree / folder.name).exists()] == []
    assert folder.name not in Path("/proc/self/mounts").read_text()
    owner = folder.name.removeprefix("slm-real-node-").split("-")[0]
    assert f"slmnode{owner}" not in psutil.net_if_addrs()


@pytest.fixture(scope="module")
def images(node: RealNode) -> dict[str, str]:
    """The images as this checkout builds them, brought into the node; by role, as a stack file names them."""
    engine = docker.from_env()
    builder, rows = Builder(engine, Console(quiet=True)), catalog().images
    found = {}
    for role in ROLES:
        if builder.present(role, rows[role]) is None:
            builder.build(role, rows[role])
        found[role] = node.images.from_docker(builder.tag(role, rows[role]))
    engine.close()
    return found


@pytest.fixture(scope="module")
def cluster(node: RealNode) -> Iterator[Cluster]:
    api = new_client_from_config(str(node.plane.kubeconfig))
    yield Cluster(api)
    api.rest_client.pool_manager.clear()
    api.close()


@pytest.fixture(scope="module")
def stack(node: RealNode, images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack, brought up: every pod is ready by its own probe when this returns."""
    made = Stack(tmp_path_factory.mktemp("real"), node, images, KEY)
    made("up", "--yes", "--skip-preview")
    yield made
    made("destroy", "--yes", "--skip-preview")


@pytest.mark.usefixtures("stack")
def test_a_real_token_comes_through_the_real_gateway_of_a_real_node(node: RealNode, cluster: Cluster) -> None:
    pods = cluster.pods()
    assert pods.keys() == {"chat", "chat-fetch", "gateway"}
    assert {pod.spec.node_name for pod in pods.values()} == {node.name}
    assert pods["chat-fetch"].status.phase == "Succeeded"
    for name in ("chat", "gateway"):
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

    def statuses() -> list[int]:
        return [json.loads(line)["status"] for line in log().splitlines() if line.startswith("{")]

    said = [401, 401, 200, 200]
    wait(lambda: [one for one in statuses() if one != 503] == said, "the gateway's lines in the pod's log")
    assert KEY not in log()


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize("workload", ["chat", "gateway"])
def test_control_23_the_kernel_holds_the_container_to_what_its_pod_says(cluster: Cluster, workload: str) -> None:
    words = dict(line.split(":\t", 1) for line in cluster.run(workload, "cat", "/proc/1/status").splitlines())
    assert set(words["Uid"].split()) == {"10001"}
    assert int(words["CapEff"], 16) == int(words["CapBnd"], 16) == 0
    assert (words["NoNewPrivs"], words["Seccomp"]) == ("1", "2")
    assert "Read-only file system" in cluster.run(workload, "sh", "-c", "touch /usr/it 2>&1")
    assert "No such file" in cluster.run(workload, "sh", "-c", "ls /var/run/secrets/kubernetes.io 2>&1")
    environment = cluster.run(workload, "cat", "/proc/1/environ")
    assert "_SERVICE_HOST" not in environment.replace("KUBERNETES_SERVICE_HOST", "")


def test_a_key_is_rotated_before_the_eyes_of_a_real_kubelet_and_no_pod_notices(stack: Stack, cluster: Cluster) -> None:
    before = {name: pod.metadata.uid for name, pod in cluster.pods().items()}
    stack.set("apiKeys", {"second": SECOND}, "--secret")
    stack("up", "--yes", "--skip-preview")
    wait(lambda: cluster.ask("GET", "/v1/models", key=SECOND)[0] == 200, "the new key to open", 180)
    assert cluster.ask("GET", "/v1/models", key=KEY)[0] == 401
    assert {name: pod.metadata.uid for name, pod in cluster.pods().items()} == before
    assert all(pod.status.container_statuses[0].restart_count == 0 for pod in cluster.pods().values())
    stack.set("apiKeys", {"first": KEY}, "--secret")
    stack("up", "--yes", "--skip-preview")


KILLED = """
import time
from rehearsal.control_plane import ControlPlane
from rehearsal.real_node import RealNode
with ControlPlane(real_nodes=True) as plane, RealNode(plane) as node:
    print(node.folder, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_node_whose_owner_is_interrupted_or_killed_leaves_nothing(how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED], cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as owner:
        try:
            assert owner.stdout is not None
            folder = Path(owner.stdout.readline().strip())
            assert folder.is_dir()
            ours = processes_of(folder)
            assert len(ours) > 6
        finally:
            owner.send_signal(how)
        owner.wait(60)
    end = time.monotonic() + 20
    while running(ours) and time.monotonic() < end:
        time.sleep(0.1)
    remove_abandoned()  # After SIGKILL only the next start can do that; after SIGINT there is nothing to do.
    gone(folder, ours)
