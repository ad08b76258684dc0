"""What a cluster says of the pods of a stack that are not ready: Pulumi tells only that it waited for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from components.targets.spec import Kubernetes

if TYPE_CHECKING:
    from kubernetes.client import CoreV1Api

MOST = 8
"""Sentences at the most: more of them say the same."""


def told(target: Kubernetes) -> list[str]:
    """A sentence for each pod that is not ready; none where the cluster cannot be asked."""
    from kubernetes import client, config
    from urllib3.exceptions import HTTPError

    try:
        with config.new_client_from_config(target.kubeconfig, target.context) as api:  # type: ignore[no-untyped-call]
            api.configuration.retries = 0
            return said(client.CoreV1Api(api), target.namespace)
    except (client.ApiException, config.ConfigException, HTTPError, OSError):
        return []


def said(core: CoreV1Api, namespace: str) -> list[str]:
    """The same of a cluster that answers. Raises what its client raises."""
    pods = core.list_namespaced_pod(namespace, _request_timeout=10).items
    events = core.list_namespaced_event(namespace, _request_timeout=10).items
    return list(sentences(pods, events))[:MOST]


def sentences(pods: Sequence[Any], events: Sequence[Any]) -> Iterator[str]:
    """`pod NAME: what is wrong` of each that is not ready (pure)."""
    for pod in pods:
        conditions = {condition.type: condition for condition in pod.status.conditions or ()}
        ready = conditions.get("Ready")
        if pod.status.phase == "Succeeded" or (ready and ready.status == "True"):
            continue
        placed = conditions.get("PodScheduled")
        if placed and placed.status == "False":
            why = f"{placed.reason}: {placed.message}"
        else:
            why = next(_containers(pod.status), "") or _warning(pod, events) or f"phase {pod.status.phase}"
        yield f"pod {pod.metadata.name}: {' '.join(why.split())}"


def _containers(status: Any) -> Iterator[str]:
    """Why a container does not run, or did not."""
    for container in [*(status.init_container_statuses or ()), *(status.container_statuses or ())]:
        waiting, last = container.state.waiting, container.last_state.terminated or container.state.terminated
        if last and last.exit_code:
            more = f", {last.message}" if last.message else ""
            yield f"{container.name} ended with exit code {last.exit_code} ({last.reason}{more})"
        elif waiting and waiting.reason not in ("ContainerCreating", "PodInitializing"):
            yield f"{container.name} waits: {waiting.reason} {waiting.message or ''}"


def _warning(pod: Any, events: Sequence[Any]) -> str:
    """The last warning about it."""
    own = [e for e in events if e.type == "Warning" and e.involved_object.uid == pod.metadata.uid]
    return f"{own[-1].reason}: {own[-1].message}" if own else ""
