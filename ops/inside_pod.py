"""The way into the monitoring of a stack on a cluster: a command in Prometheus's pod, as `kubectl exec` runs it."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

from components.monitoring import prometheus
from components.targets.kubernetes.described import site_of
from components.targets.kubernetes.names import Names
from components.targets.spec import Kubernetes

if TYPE_CHECKING:
    from kubernetes.client import CoreV1Api


class NoAnswer(Exception):
    """Why the pod gave no answer, in words."""


class PrometheusPod:
    """The pod of Prometheus, for whoever may execute programs in the namespace's pods (`pods/exec`).

    It connects anew for each question.
    """

    def __init__(self, target: Kubernetes, stack: str) -> None:
        self._target = target
        self._names = Names(site_of(target), stack)

    def run(self, command: list[str], seconds: float) -> tuple[int, str, str]:
        """Exit code, output and errors of a command. Raises NoAnswer."""
        from kubernetes import client, config
        from urllib3.exceptions import HTTPError
        from websocket import WebSocketException

        try:
            with config.new_client_from_config(self._target.kubeconfig, self._target.context) as api:  # type: ignore[no-untyped-call]
                api.configuration.retries = 0
                core = client.CoreV1Api(api)
                return _executed(core, self._pod(core), self._names.namespace, command, seconds)
        except client.ApiException as error:
            raise NoAnswer(f"the cluster answers {error.status or ''} {error.reason}") from None
        except (config.ConfigException, HTTPError, WebSocketException, OSError) as error:
            raise NoAnswer(f"the cluster cannot be asked: {error}") from None

    def _pod(self, core: CoreV1Api) -> str:
        """The name of a pod of Prometheus that runs."""
        selector = ",".join(f"{key}={value}" for key, value in self._names.selector(prometheus.NAME).items())
        found = core.list_namespaced_pod(
            self._names.namespace,
            label_selector=selector,
            field_selector="status.phase=Running",
            _request_timeout=10,
        ).items
        # While a rollout replaces it there are two, and the one that goes answers no longer.
        told = [pod.metadata for pod in found if pod.metadata]
        staying = [metadata.name for metadata in told if metadata.deletion_timestamp is None]
        if not staying:
            raise NoAnswer(f"no pod {selector} runs in namespace {self._names.namespace}")
        return str(staying[0])


def _executed(core: CoreV1Api, pod: str, namespace: str, command: list[str], seconds: float) -> tuple[int, str, str]:
    from kubernetes.stream import stream
    from kubernetes.stream.ws_client import ERROR_CHANNEL

    running = stream(
        core.connect_get_namespaced_pod_exec,
        pod,
        namespace,
        container=prometheus.NAME,
        command=command,
        stdin=False,
        stdout=True,
        stderr=True,
        tty=False,
        _preload_content=False,
        # A letter may be in two pieces of an answer, so that pieces are put together before they are read as text.
        binary=True,
    )
    # The client forgets its socket when the other side has closed.
    with closing(running.sock.sock):
        running.run_forever(timeout=seconds)
        if running.is_open():
            raise NoAnswer(f"no answer within {seconds:.0f} s")
        code = _exit_code(running.read_channel(ERROR_CHANNEL))
        return code, running.read_stdout().decode(errors="replace"), running.read_stderr().decode(errors="replace")


def _exit_code(ended: bytes) -> int:
    """What the API server says of a command that has ended. Raises NoAnswer where it never ran, or nobody knows."""
    if not ended:
        raise NoAnswer("the connection to its pod was cut")
    told = json.loads(ended)
    if told.get("status") == "Success":
        return 0
    causes = (told.get("details") or {}).get("causes") or ()
    code = next((cause["message"] for cause in causes if cause.get("reason") == "ExitCode"), "")
    if not code.isdigit():
        raise NoAnswer(f"its pod does not run the command: {told.get('message') or told}")
    return int(code)
