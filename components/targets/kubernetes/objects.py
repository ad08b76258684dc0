"""From a manifest to the resource of Pulumi's SDK that has the same fields."""

from __future__ import annotations

import re
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.targets.kubernetes.names import Manifest

_CLASSES: dict[tuple[str, str], Any] = {
    ("v1", "Namespace"): kubernetes.core.v1.Namespace,
    ("v1", "ServiceAccount"): kubernetes.core.v1.ServiceAccount,
    ("v1", "ConfigMap"): kubernetes.core.v1.ConfigMap,
    ("v1", "Secret"): kubernetes.core.v1.Secret,
    ("v1", "Service"): kubernetes.core.v1.Service,
    ("v1", "PersistentVolumeClaim"): kubernetes.core.v1.PersistentVolumeClaim,
    ("apps/v1", "Deployment"): kubernetes.apps.v1.Deployment,
    ("apps/v1", "StatefulSet"): kubernetes.apps.v1.StatefulSet,
    ("autoscaling/v2", "HorizontalPodAutoscaler"): kubernetes.autoscaling.v2.HorizontalPodAutoscaler,
    ("batch/v1", "Job"): kubernetes.batch.v1.Job,
    ("networking.k8s.io/v1", "NetworkPolicy"): kubernetes.networking.v1.NetworkPolicy,
    ("policy/v1", "PodDisruptionBudget"): kubernetes.policy.v1.PodDisruptionBudget,
    ("scheduling.k8s.io/v1", "PriorityClass"): kubernetes.scheduling.v1.PriorityClass,
}


def declare(name: str, manifest: Manifest, opts: pulumi.ResourceOptions) -> pulumi.CustomResource:
    """Register the object. Kinds that Kubernetes does not have by itself become custom resources."""
    fields = {key: value for key, value in manifest.items() if key not in ("apiVersion", "kind")}
    made = _CLASSES.get((manifest["apiVersion"], manifest["kind"]))
    if made is None:
        custom = kubernetes.apiextensions.CustomResource
        return custom(name, api_version=manifest["apiVersion"], kind=manifest["kind"], opts=opts, **fields)
    resource: pulumi.CustomResource = made(name, opts=opts, **{_snake(key): value for key, value in fields.items()})
    return resource


def _snake(key: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", lambda match: f"_{match[1].lower()}", key)
