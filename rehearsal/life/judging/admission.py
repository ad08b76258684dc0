"""Pods that a restricted namespace must refuse: a pod that it takes, broken in one place each (pure)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

Object = dict[str, Any]


def pod_of(controller: Object, name: str) -> Object:
    """A single pod as the controller makes them."""
    template = copy.deepcopy(controller["spec"]["template"])
    metadata = {**template["metadata"], "name": name, "namespace": controller["metadata"]["namespace"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def mutants(pod: Object) -> dict[str, Object]:
    """The pod, broken once each, by the word that the refusal must hold."""
    return {word: _broken(pod, change) for word, change in _CHANGES.items()}


def _broken(pod: Object, change: Callable[[Object, Object], None]) -> Object:
    broken = copy.deepcopy(pod)
    change(broken["spec"], broken["spec"]["containers"][0])
    return broken


def _security(container: Object, **values: Any) -> None:
    container["securityContext"] = {**container.get("securityContext", {}), **values}


def _root(spec: Object, container: Object) -> None:
    spec["securityContext"] = {**spec.get("securityContext", {}), "runAsUser": 0, "runAsNonRoot": False}
    _security(container, runAsUser=0, runAsNonRoot=False)


def _no_seccomp(spec: Object, container: Object) -> None:
    spec.get("securityContext", {}).pop("seccompProfile", None)
    container.get("securityContext", {}).pop("seccompProfile", None)


def _host_path(spec: Object, _container: Object) -> None:
    spec["volumes"] = [*spec.get("volumes", ()), {"name": "node", "hostPath": {"path": "/"}}]


_CHANGES: dict[str, Callable[[Object, Object], None]] = {
    # Kubernetes itself takes no privileged container that may not gain privileges.
    "privileged": lambda _, container: _security(container, privileged=True, allowPrivilegeEscalation=True),
    "allowPrivilegeEscalation": lambda _, container: _security(container, allowPrivilegeEscalation=True),
    "runAsNonRoot": _root,
    "capabilities": lambda _, container: _security(container, capabilities={"drop": ["ALL"], "add": ["NET_ADMIN"]}),
    "seccompProfile": _no_seccomp,
    "host namespaces": lambda spec, _: spec.update(hostNetwork=True),
    "hostPath": _host_path,
}


def refusal_problem(word: str, message: str | None) -> str:
    """What is wrong with the answer to a mutant; empty where it was refused for the right reason."""
    if message is None:
        return f"a pod with another {word} was taken"
    if "violates PodSecurity" not in message or word not in message:
        return f"a pod with another {word} was refused for another reason: {message}"
    return ""
