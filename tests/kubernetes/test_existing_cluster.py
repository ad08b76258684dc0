"""The unchanged program on a cluster that exists: real Pulumi engine, real Kubernetes plugin, real API server.

The committed dev stack with its monitoring, its target laid over by Pulumi's configuration as a person would. No
container ever runs; what is shown is what is sent, in which order, what it waits for, and what a change, a loss and a
teardown do.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client
from kubernetes.config import new_client_from_config

from rehearsal import plugins
from rehearsal.control_plane import ControlPlane
from tests.kubernetes.conftest import GPU_TAINT

pytestmark = pytest.mark.kubernetes

CHECKOUT = Path(__file__).parents[2]
NAMESPACE = "existing"
AGENTS = f"{NAMESPACE}-node-agents"
POOL = "kubernetes.azure.com/agentpool"
WATCHING = ("alertmanager", "blackbox", "grafana", "loki", "ollama-exporter", "prometheus")
ON_EACH_NODE = ("kubelet-proxy", "node-exporter")
KEYS = {"first": "slm-" + "k" * 40}
PASSWORD = "password-" + "p" * 20
IMAGES = {
    "fetch": f"docker.io/slm/fetch:1.0.0@sha256:{'a' * 64}",
    "webui": f"docker.io/slm/webui:v0.12.4@sha256:{'b' * 64}",
    **{r: f"docker.io/slm/{r}:1@sha256:{'d' * 64}" for r in ("collector", "dcgm-exporter", "ollama-exporter")},
}
OLLAMA = {"ollama": f"docker.io/ollama/ollama:0.40.3@sha256:{'c' * 64}"}
PAGES_PASSWORD = "pages-" + "g" * 20
MONITORING_SECRETS = {"grafana-admin-password": PAGES_PASSWORD, "grafana-secret-key": "q" * 64}
WEBUI_SECRETS = {"webui-api-key": "slm-" + "w" * 43, "webui-admin-password": PASSWORD, "webui-secret-key": "s" * 64}


class Stack:
    """Stack `dev` of the checkout's own program, with its state in a folder."""

    def __init__(self, folder: Path, home: Path, kubeconfig: Path) -> None:
        self.folder, self._home = folder, home
        folder.mkdir()
        (folder / "state").mkdir()
        shutil.copy(CHECKOUT / "Pulumi.yaml", folder)
        for part in ("__main__.py", "components"):
            (folder / part).symlink_to(CHECKOUT / part)
        # A path with a random name in it would be taken for a secret that somebody wrote down.
        shutil.copy(kubeconfig, folder / "kubeconfig")
        labels = {POOL: "gpu"}
        gpu = {"gpus": 1, "max_nodes": 1, "taints": [GPU_TAINT.model_dump()], "labels": labels}
        target = {
            "kind": "kubernetes",
            "kubeconfig": str(folder / "kubeconfig"),
            "namespace": NAMESPACE,
            "pools": {"general": {}, "gpu": gpu},
        }
        self("stack", "init", "dev")
        self.set("targets", {"laptop": target})
        self.set("images", IMAGES)
        self.set("engines", {"chat": {"gpus": 1, "startup": 30}})
        self.set("gateway", {"replicas": 2, "cpus": 0.5})
        self.set("webui", {"target": "laptop"})
        self.set("apiKeys", KEYS, "--secret")
        self.set("webuiSecrets", WEBUI_SECRETS, "--secret")
        self.set("monitoringSecrets", MONITORING_SECRETS, "--secret")

    def __call__(self, *arguments: str) -> str:
        """A Pulumi command that must succeed; gives what it printed."""
        environment = {
            **os.environ,
            **plugins.environment(self._home),
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
        }
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def set(self, key: str, value: object, *options: str) -> None:
        self("config", "set", *options, f"slm:{key}", json.dumps(value))

    def up(self, *options: str) -> None:
        self("up", "--yes", "--skip-preview", *options)

    def changes(self) -> dict[str, str]:
        """What a preview would do, by the resource's name."""
        steps = json.loads(self("preview", "--json"))["steps"]
        return {step["urn"].rsplit("::", 1)[1]: step["op"] for step in steps if step["op"] != "same"}


@pytest.fixture
def api(control_plane: ControlPlane) -> Iterator[client.ApiClient]:
    found = new_client_from_config(str(control_plane.kubeconfig))
    yield found
    found.rest_client.pool_manager.clear()
    found.close()


@pytest.fixture
def stack(control_plane: ControlPlane, api: client.ApiClient, tmp_path: Path) -> Iterator[Stack]:
    home = tmp_path / "home"
    plugins.prepare(home, ())
    made = Stack(tmp_path / "stack", home, control_plane.kubeconfig)
    yield made
    made("destroy", "--yes", "--skip-preview")
    client.CoreV1Api(api).delete_namespace(NAMESPACE)


def generations(api: client.ApiClient) -> dict[str, int]:
    """How often each thing that runs was changed."""
    apps = client.AppsV1Api(api)
    found: list[Any] = apps.list_namespaced_deployment(NAMESPACE).items
    found += apps.list_namespaced_stateful_set(NAMESPACE).items
    found += [*apps.list_namespaced_daemon_set(NAMESPACE).items, *apps.list_namespaced_daemon_set(AGENTS).items]
    return {one.metadata.name: one.metadata.generation for one in found}


def pods(core: client.CoreV1Api, namespace: str) -> dict[str, list[client.V1Pod]]:
    """Pods of a namespace by the name of their workload."""
    found: dict[str, list[client.V1Pod]] = {}
    for pod in core.list_namespaced_pod(namespace).items:
        found.setdefault(pod.metadata.labels["app.kubernetes.io/name"], []).append(pod)
    return found


def pool(pod: client.V1Pod) -> str:
    """The pool of the node that a pod is on."""
    return str(pod.spec.node_name.split("-")[1])


def of_the_cluster(api: client.ApiClient) -> set[str]:
    """What the stack has where objects are in no namespace; its own namespace stays with its data."""
    rights, core = client.RbacAuthorizationV1Api(api), client.CoreV1Api(api)
    lists = [rights.list_cluster_role(), rights.list_cluster_role_binding(), core.list_namespace()]
    lists += [client.SchedulingV1Api(api).list_priority_class()]
    names = {one.metadata.name for found in lists for one in found.items}
    return {name for name in names if name.startswith(f"{NAMESPACE}-")}


def claims(api: client.ApiClient) -> set[str]:
    return {c.metadata.name for c in client.CoreV1Api(api).list_namespaced_persistent_volume_claim(NAMESPACE).items}


@pytest.mark.timeout(1500)  # a dozen commands of Pulumi, ten seconds each on a machine with nothing else to do
def test_the_life_of_a_stack_on_a_cluster_that_exists(stack: Stack, api: client.ApiClient) -> None:
    core = client.CoreV1Api(api)
    assert set(stack.changes().values()) == {"create"}, "a preview from zero"
    stack.up()
    assert stack.changes() == {}, "what was sent is what is there"
    stack("refresh", "--yes", "--skip-preview")
    assert stack.changes() == {}, "what the cluster adds by itself is no difference"
    running = pods(core, NAMESPACE)
    assert running.keys() == {"chat", "chat-fetch", "chat-import", "gateway", "webui", *WATCHING, *ON_EACH_NODE}
    agents = pods(core, AGENTS)
    assert agents.keys() == {"collector", "dcgm-exporter"}
    both = [pod for found in (running, agents) for copies in found.values() for pod in copies]
    assert {pod.status.qos_class for pod in both} == {"Guaranteed"}
    (engine,) = running["chat"]
    assert pool(engine) == "gpu"
    nodes = {node.metadata.name for node in core.list_node().items}
    for name, copies in {**{name: running[name] for name in ON_EACH_NODE}, "collector": agents["collector"]}.items():
        assert {pod.spec.node_name for pod in copies} == nodes, name
    assert {pool(pod) for pod in agents["dcgm-exporter"]} == {"gpu"}

    before, secret = generations(api), core.read_namespaced_secret("gateway-secrets", NAMESPACE).metadata.uid
    stack.set("apiKeys", {**KEYS, "second": "slm-" + "m" * 40}, "--secret")
    assert stack.changes() == {"gateway-secrets": "update"}, "fault 11: a key is rotated"
    stack.up()
    assert generations(api) == before, "no pod was changed for it"
    assert core.read_namespaced_secret("gateway-secrets", NAMESPACE).metadata.uid == secret

    stack.set("images", {**IMAGES, **OLLAMA})
    assert stack.changes() == {"chat-import-job": "replace", "chat-deployment": "update"}
    stack.up()  # fault 26: on the pool's only GPU, where a copy more would wait for ever

    core.delete_namespaced_service("chat", NAMESPACE)
    stack.up("--refresh")
    assert core.read_namespaced_service("chat", NAMESPACE), "fault 17: what somebody deleted is back"

    state = "".join(path.read_text() for path in (stack.folder / "state").rglob("*.json*"))
    assert len(state) > 100_000
    for secret_value in (KEYS["first"], PASSWORD, PAGES_PASSWORD):
        assert secret_value not in state

    assert of_the_cluster(api) >= {AGENTS, f"{NAMESPACE}-prometheus-kubelets"}
    kept = claims(api)
    of_monitoring = {f"{one}-{one}-0" for one in ("alertmanager", "loki", "prometheus")}
    assert kept == {"ollama-1d9614638d18", "data-webui-0", "var-lib-grafana-grafana-0", *of_monitoring}
    stack("destroy", "--yes", "--skip-preview")
    assert claims(api) == kept, "fault 18: data outlives the stack"
    assert core.list_namespaced_service(NAMESPACE).items == []
    assert of_the_cluster(api) == set(), "nothing of it is left where namespaces end"
    stack.up()
    assert claims(api) == kept, "and the next deployment takes it up again"
    assert stack.changes() == {}
