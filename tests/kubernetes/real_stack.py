"""A stack on a real node, and the ways into its pods that everybody with the kubeconfig has."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from kubernetes import client
from kubernetes.stream import portforward, stream

from ops.site import discover
from rehearsal import plugins
from rehearsal.real_node import RealNode, configuration
from rehearsal.real_node.cluster import LABEL, REAL, STORAGE_CLASS

CHECKOUT = Path(__file__).parents[2]
NAMESPACE = "real"
MODEL = "qwen2.5-coder-0.5b-instruct"


class Stack:
    """The committed dev stack on the node, its target and engine laid over as a person would; its state in a folder."""

    def __init__(self, folder: Path, node: RealNode, images: dict[str, str], key: str) -> None:
        self.folder, self._home = folder / "stack", folder / "home"
        plugins.prepare(self._home, ())
        (self.folder / "state").mkdir(parents=True)
        shutil.copy(CHECKOUT / "Pulumi.yaml", self.folder)
        for part in ("__main__.py", "components"):
            (self.folder / part).symlink_to(CHECKOUT / part)
        shutil.copy(node.plane.kubeconfig, self.folder / "kubeconfig")
        host, _, port = node.proxy.removeprefix("http://").partition(":")
        target = {
            "kind": "kubernetes",
            "kubeconfig": str(self.folder / "kubeconfig"),
            "namespace": NAMESPACE,
            "pools": {"general": {"labels": {LABEL: REAL}, "max_nodes": 1, "max_pids": configuration.MAX_PROCESSES}},
            "storage_class": STORAGE_CLASS,
            "keep_volumes": False,
            "egress": [{"cidr": f"{host}/32", "port": int(port)}],
        }
        self("stack", "init", "dev")
        self.set("targets", {"laptop": target})
        self.set("engines", {"chat": {"kind": "llamacpp", "model": MODEL, "cpus": 1, "parallel": 1, "startup": 300}})
        self.set("gateway", {"cpus": 0.25})
        self.set("monitoring", None)  # its images are a gigabyte, which each run would hand to the node
        self.set("images", images)
        self.set("security", {"allow_registries": ["slm.local"]})
        self.set("site", {**discover().model_dump(exclude_defaults=True), "proxy": node.proxy})
        self.set("apiKeys", {"first": key}, "--secret")

    def __call__(self, *arguments: str, timeout: float = 900) -> str:
        """A Pulumi command that must succeed; gives what it printed."""
        environment = {
            **os.environ,
            **plugins.environment(self._home),
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
        }
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def set(self, key: str, value: object, *options: str) -> None:
        self("config", "set", *options, f"slm:{key}", json.dumps(value))


class Cluster:
    """The namespace of the stack, as somebody with the kubeconfig reaches it."""

    def __init__(self, api: client.ApiClient) -> None:
        self.core = client.CoreV1Api(api)

    def pods(self) -> dict[str, client.V1Pod]:
        """By the workload's name."""
        found = self.core.list_namespaced_pod(NAMESPACE).items
        return {pod.metadata.labels["app.kubernetes.io/name"]: pod for pod in found}

    def run(self, workload: str, *command: str) -> str:
        """What a command in the workload's container prints."""
        name = self.pods()[workload].metadata.name
        running = stream(
            self.core.connect_get_namespaced_pod_exec, name, NAMESPACE,
            command=list(command), stdout=True, stderr=True, stdin=False, tty=False, _preload_content=False,
        )  # fmt: skip
        # The client forgets its socket when the other side has closed.
        with closing(running.sock.sock):
            running.run_forever(timeout=60)
            return str(running.read_all())

    def ask(self, method: str, path: str, body: object = None, key: str | None = None) -> tuple[int, Any]:
        """The gateway's answer through a forwarded port, as `kubectl port-forward` gives one."""
        name = self.pods()["gateway"].metadata.name
        before = set(threading.enumerate())
        forward = portforward(self.core.connect_get_namespaced_pod_portforward, name, NAMESPACE, ports="8080")
        (passing,) = set(threading.enumerate()) - before
        connection = HTTPConnection("localhost", timeout=180)
        connection.sock = forward.socket(8080)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()
            forward.close()
            passing.join(10)
            forward.websocket.shutdown()  # where the other side has closed first, nobody else does it
