"""A cluster that exists already as a target: its kubeconfig file, and what the stack file says of it."""

from __future__ import annotations

from pathlib import Path

from components.targets.kubernetes.cluster import KubernetesCluster
from components.targets.kubernetes.described import site_of
from components.targets.kubernetes.kubeconfig import server_of
from components.targets.kubernetes.provider import cluster_provider
from components.targets.spec import Kubernetes


def existing_cluster(name: str, spec: Kubernetes, stack: str) -> KubernetesCluster:
    """The target of a `kind: kubernetes`. Raises KubeconfigError for a file that leads to no cluster."""
    server = server_of(spec.kubeconfig, spec.context)
    provider = cluster_provider(
        f"{name}-kubernetes",
        # The path, and not the content: what opens the cluster does not go into the stack's state.
        str(Path(spec.kubeconfig).expanduser()),
        server,
        context=spec.context,
    )
    return KubernetesCluster(name, site_of(spec), stack, provider)
