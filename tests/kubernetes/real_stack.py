"""A watched stack on a real node, and the ways into its pods that everybody with the kubeconfig has."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client
from kubernetes.stream import portforward, stream

from ops.audit import notes as audit
from ops.audit import shipping as audit_shipping
from ops.machine import Machine
from ops.site import discover
from rehearsal import plugins
from rehearsal.real_node import RealNode, configuration
from rehearsal.real_node.cluster import LABEL, REAL, STORAGE_CLASS
from tests.docker.project import Finished

CHECKOUT = Path(__file__).parents[2]
NAMESPACE = "real"
AGENTS = "real-node-agents"
MODEL = "qwen2.5-coder-0.5b-instruct"


class Stack:
    """The committed dev stack on the node, its target and engine changed as a person would; its state in a folder.

    Critical alerts go to `webhook`.
    """

    def __init__(self, folder: Path, node: RealNode, images: dict[str, str], key: str, webhook: str) -> None:
        self.folder, self._home = folder / "stack", folder / "home"
        plugins.prepare(self._home, ())
        (self.folder / "state").mkdir(parents=True)
        for file in ("Pulumi.yaml", "Pulumi.dev.yaml"):
            shutil.copy(CHECKOUT / file, self.folder)
        # Commands look for the stack beside themselves.
        shutil.copytree(CHECKOUT / "ops", self.folder / "ops")
        for part in ("__main__.py", "components", "policies", "tools", "images"):
            (self.folder / part).symlink_to(CHECKOUT / part)
        shutil.copy(node.plane.kubeconfig, self.folder / "kubeconfig")
        host, _, port = node.proxy.removeprefix("http://").partition(":")
        target = {
            "kind": "kubernetes",
            "kubeconfig": str(self.folder / "kubeconfig"),
            "namespace": NAMESPACE,
            "pools": {"general": {"labels": {LABEL: REAL}, "max_nodes": 1, "max_pids": configuration.MAX_PROCESSES}},
            "storage_class": STORAGE_CLASS,
            "data_class": STORAGE_CLASS,
            "keep_volumes": False,
            "egress": [{"cidr": f"{host}/32", "port": int(port)}],
        }
        self("stack", "init", "dev")
        chat = {"kind": "llamacpp", "target": "laptop", "model": MODEL, "cpus": 1, "parallel": 1, "startup": 300}
        self.describe(
            {
                "targets": {"laptop": target},
                "engines": {"chat": chat},
                "gateway": {"target": "laptop", "cpus": 0.25},
                "monitoring": {
                    "target": "laptop",
                    "scrape_seconds": 5,
                    "grafana": None,  # its image cannot be had from packages
                    "receivers": {"oncall": {"kind": "webhook", "url": webhook}},
                },
                "images": images,
                "security": {"allow_registries": ["slm.local"]},
                "site": {**discover().model_dump(exclude_defaults=True), "proxy": node.proxy},
            }
        )
        self.keys({"first": key})

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

    def describe(self, values: dict[str, Any]) -> None:
        """Write parts of the stack's file."""
        file = self.folder / "Pulumi.dev.yaml"
        document = yaml.safe_load(file.read_text())
        document["config"] |= {f"slm:{name}": value for name, value in values.items()}
        file.write_text(yaml.safe_dump(document, sort_keys=False))

    def keys(self, keys: dict[str, str]) -> None:
        """Let these API keys in, by id, from the next `up` on; they were made just now."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.describe({"keys_made": [{"id": name, "made": now} for name in keys]})
        self("config", "set", "--secret", "slm:apiKeys", json.dumps(keys))

    def note(self, doing: str) -> None:
        """Note that somebody did this to the stack, and send the note to its log store, as commands do."""
        machine = Machine("dev", self.folder)
        with audit.noted(self.folder / audit_shipping.NOTES, "dev", doing):
            pass
        said: list[str] = []
        audit_shipping.send(machine, said.append)
        assert said == []

    def ops(self, *arguments: str) -> Finished:
        """A command that a person types, `python -m ops …`, to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "ops", *arguments, "--stack", "dev"],
            cwd=self.folder, env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
        )  # fmt: skip
        return Finished(done.returncode, done.stdout)


class Cluster:
    """The namespaces of the stack, as somebody with the kubeconfig reaches them."""

    def __init__(self, api: client.ApiClient) -> None:
        self.api, self.core = api, client.CoreV1Api(api)

    def pods(self) -> dict[str, client.V1Pod]:
        """By the workload's name."""
        found = [pod for namespace in (NAMESPACE, AGENTS) for pod in self.core.list_namespaced_pod(namespace).items]
        return {pod.metadata.labels["app.kubernetes.io/name"]: pod for pod in found}

    def run(self, workload: str, *command: str) -> str:
        """What a command in the workload's container prints."""
        pod = self.pods()[workload].metadata
        running = stream(
            self.core.connect_get_namespaced_pod_exec, pod.name, pod.namespace,
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
        # Other threads may begin as well meanwhile, such as those that take alerts.
        (passing,) = [t for t in set(threading.enumerate()) - before if t.name.startswith("Kubernetes port forward")]
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
