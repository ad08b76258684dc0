"""Pods, broken field by field (see mutations.py)."""

from __future__ import annotations

from typing import Any

from tests.kubernetes.mutations import ADMISSION, CONTAINER, POD, REMOVED, SCHEMA, On

pod = On("prod", "Deployment/chat", POD)
container = On("prod", "Deployment/chat", CONTAINER)
engine = On("prod", "Deployment/chat")
gateway = On("prod", "Deployment/gateway", POD)
gateway_container = On("prod", "Deployment/gateway", CONTAINER)
account = On("prod", "ServiceAccount/chat")
job = On("prod", "Job/chat-fetch", POD)
job_container = On("prod", "Job/chat-fetch", CONTAINER)
claimed = On("engines", "Deployment/llamacpp", CONTAINER)

NODE = {"name": "node", "hostPath": {"path": "/"}}
FROM_SECRET = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "gateway-secrets", "key": "keys.map"}}}
TO_OTHER_HOST = {"httpGet": {"host": "192.0.2.1", "port": 80}, "periodSeconds": 10, "failureThreshold": 3}


def privileged(context: dict[str, Any]) -> dict[str, Any]:
    """Kubernetes refuses a container that is privileged and may not grow its privileges as a contradiction."""
    return {**context, "privileged": True, "allowPrivilegeEscalation": True}


MUTATIONS = [
    # What the Pod Security Standard "restricted" forbids (controls 22 and 23).
    pod("root by the pod's leave", "securityContext runAsNonRoot", False, ADMISSION),
    container("root by the container's leave", "securityContext runAsNonRoot", False, ADMISSION),
    pod("root by number", "securityContext runAsUser", 0, ADMISSION, 25),
    container("root by the container's number", "securityContext runAsUser", 0, ADMISSION, 25),
    pod("no seccomp for the pod", "securityContext seccompProfile type", "Unconfined", ADMISSION),
    container("no seccomp for the container", "securityContext seccompProfile type", "Unconfined", ADMISSION),
    container("privileges that grow", "securityContext allowPrivilegeEscalation", True, ADMISSION),
    container("privileges that grow by default", "securityContext allowPrivilegeEscalation", REMOVED, ADMISSION),
    container("capabilities kept", "securityContext capabilities drop", [], ADMISSION),
    container("a capability added", "securityContext capabilities add", ["SYS_ADMIN"], ADMISSION),
    container("privileged", "securityContext", privileged, ADMISSION),
    container("no AppArmor", "securityContext appArmorProfile", {"type": "Unconfined"}, ADMISSION),
    pod("another SELinux type", "securityContext seLinuxOptions", {"type": "spc_t"}, ADMISSION),
    pod("kernel settings", "securityContext sysctls", [{"name": "kernel.msgmax", "value": "1"}], ADMISSION),
    pod("the node's network", "hostNetwork", True, ADMISSION),
    pod("the node's processes", "hostPID", True, ADMISSION),
    pod("the node's memory", "hostIPC", True, ADMISSION),
    pod("a path of the node", "volumes", lambda volumes: [*volumes, NODE], ADMISSION),
    container("a port of the node", "ports 0 hostPort", 8080, ADMISSION),
    container("a probe of another host", "readinessProbe", TO_OTHER_HOST, ADMISSION),
    job("root in a job", "securityContext runAsNonRoot", False, ADMISSION),
    # What it does not ask.
    container("an image by its tag", "image", "docker.io/ollama/ollama:0.40.2", 15),
    container("a root that can be written", "securityContext readOnlyRootFilesystem", False, 24),
    job_container("a job's root that can be written", "securityContext readOnlyRootFilesystem", REMOVED, 24),
    pod("a user the node has too", "securityContext runAsUser", 1000, 25),
    pod("a group the node has too", "securityContext runAsGroup", 999, 25),
    pod("files of a group the node has too", "securityContext fsGroup", 999, 25),
    pod("a token of the cluster", "automountServiceAccountToken", True, 26),
    pod("a token by default", "automountServiceAccountToken", REMOVED, 26),
    pod("everybody's account", "serviceAccountName", "default", 26),
    account("a token by the account's leave", "automountServiceAccountToken", REMOVED, 26),
    pod("Services as variables", "enableServiceLinks", REMOVED, 27),
    container("no limit on processors", "resources limits cpu", REMOVED, 28),
    container("no limit on memory", "resources limits memory", REMOVED, 28),
    container("no limit on the node's disk", "resources limits ephemeral-storage", REMOVED, 28),
    container("no request of memory", "resources requests memory", REMOVED, 28),
    container("less memory than promised", "resources requests memory", "1Mi", 28),
    container("a memory limit below its directories'", "resources", {
        kind: {"cpu": "1", "memory": "64Mi", "ephemeral-storage": "1Gi"} for kind in ("requests", "limits")
    }, 28),
    job_container("a job without limits", "resources limits", REMOVED, 28),
    container("no startup probe", "startupProbe", REMOVED, 29),
    container("no readiness probe", "readinessProbe", REMOVED, 29),
    container("no liveness probe", "livenessProbe", REMOVED, 29),
    container("an impatient liveness probe", "livenessProbe failureThreshold", 1, 29),
    container("a start cut short", "startupProbe failureThreshold", 3, 30),
    engine("a rollout given up early", "spec progressDeadlineSeconds", 60, 30),
    container("a secret as a variable", "env 0", FROM_SECRET, 32),
    container("all of a secret as variables", "envFrom", [{"secretRef": {"name": "gateway-secrets"}}], 32),
    gateway("secret files for everybody", "volumes 0 projected defaultMode", 0o444, 32),
    gateway("secret files with the default mode", "volumes 0 projected defaultMode", REMOVED, 32),
    gateway_container("secret files that can be changed", "volumeMounts 0 readOnly", REMOVED, 32),
    gateway("a vault's volume that can be written", "volumes 1 csi readOnly", REMOVED, 32),
    pod("no time to end", "terminationGracePeriodSeconds", 30, 37),
    container("an end without warning", "lifecycle", REMOVED, 37),
    gateway_container("a gateway that stops at once", "lifecycle preStop", {"sleep": {"seconds": 1}}, 37),
    claimed("weights that an engine can change", "volumeMounts 0 readOnly", False, 38),
    container("a registry asked at every start", "imagePullPolicy", "Always", 42),
    # Words that Kubernetes does not know: it would drop them in silence, and the control with them.
    container("a misspelt field", "securityContext readOnlyRootFileSystem", True, SCHEMA),
    pod("a word of the wrong type", "automountServiceAccountToken", "false", SCHEMA, 26),
    engine("a field at the wrong place", "spec enableServiceLinks", False, SCHEMA),
]  # fmt: skip
