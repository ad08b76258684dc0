"""Rules that only several Kubernetes objects together show (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from policies.finding import Finding, value
from policies.objects import AGENTS, POD_BEARERS, Manifest, key, pods

SERVICES = ("Deployment", "StatefulSet")
GATEWAY_FILES = "ConfigMap/gateway-files"
Objects = Sequence[Manifest]


def of_kind(objects: Objects, *kinds: str) -> Iterator[Manifest]:
    """The objects of some kinds."""
    return (one for one in objects if one["kind"] in kinds)


def _place(one: Manifest) -> str:
    return str((one.get("metadata") or {}).get("namespace") or "")


def accounts_are_there(objects: Objects) -> Iterator[Finding]:
    """Control 26: the service account that a pod names is one of the stack's own."""
    accounts = {(_place(one), one["metadata"]["name"]) for one in of_kind(objects, "ServiceAccount")}
    for controller in of_kind(objects, *POD_BEARERS):
        for pod in list(pods(controller))[:1]:
            name = pod.spec.get("serviceAccountName")
            if name not in (None, "", "default") and (_place(controller), name) not in accounts:
                harm = "what is given to one would be given to all"
                yield pod.finding(26, "serviceAccountName", harm, "its own account")


def everything_else_is_denied(objects: Objects) -> Iterator[Finding]:
    """Control 31: in each namespace with pods a policy about all of them denies what no other one allows, both ways."""
    for place in sorted({_place(one) for one in of_kind(objects, *POD_BEARERS)}):
        denied = {
            way
            for one in of_kind(objects, "NetworkPolicy")
            if _place(one) == place and not _selects(one) and not one["spec"].get("ingress")
            and not one["spec"].get("egress")
            for way in one["spec"].get("policyTypes") or ()
        }  # fmt: skip
        for way in sorted({"Ingress", "Egress"} - denied):
            name = f"Namespace/{place}"
            yield Finding(31, name, way, "a pod that no policy selects may do everything", "a policy that denies it")


def _selects(policy: Manifest) -> bool:
    selector = policy["spec"].get("podSelector") or {}
    return bool(selector.get("matchLabels") or selector.get("matchExpressions"))


def the_way_in_is_encrypted(objects: Objects) -> Iterator[Finding]:
    """Control 33: behind a load balancer the gateway speaks TLS 1.2 or newer."""
    if not any(value(one, "spec", "type") == "LoadBalancer" for one in of_kind(objects, "Service")):
        return
    for files in of_kind(objects, "ConfigMap"):
        if key(files) == GATEWAY_FILES:
            yield from gateway_is_encrypted(files)


def gateway_is_encrypted(files: Manifest) -> Iterator[Finding]:
    """The same of the gateway's own file."""
    config = str(value(files, "data", "haproxy.cfg") or "")
    frontend = config.partition("frontend api")[2].splitlines()
    bind = next((line for line in frontend if line.strip().startswith("bind")), "")
    if " ssl " not in bind or not any(f"ssl-min-ver TLSv1.{minor}" in bind for minor in (2, 3)):
        yield Finding(33, GATEWAY_FILES, "data.haproxy.cfg", "keys can be read on the way", "TLS 1.2")
    if "Strict-Transport-Security" not in config:
        harm = "a browser may be led to ask without encryption"
        yield Finding(33, GATEWAY_FILES, "data.haproxy.cfg", harm, "send Strict-Transport-Security")


def a_node_can_be_drained(objects: Objects) -> Iterator[Finding]:
    """Control 35: whatever serves has exactly one disruption budget."""
    budgets = list(of_kind(objects, "PodDisruptionBudget"))
    for controller in of_kind(objects, *SERVICES):
        labels = controller["spec"]["template"]["metadata"]["labels"].items()
        own = [
            b
            for b in budgets
            if _place(b) == _place(controller) and b["spec"]["selector"]["matchLabels"].items() <= labels
        ]
        if len(own) != 1:
            yield Finding(35, key(controller), "", "all copies can be taken away at once", "one disruption budget")


def copies(objects: Objects, controller: Manifest) -> int:
    """How many copies of a controller there can be, an autoscaler's most included."""
    for scaled in of_kind(objects, "ScaledObject"):
        target = scaled["spec"]["scaleTargetRef"]
        if (target["kind"], target["name"]) == (controller["kind"], controller["metadata"]["name"]):
            return int(scaled["spec"]["maxReplicaCount"])
    return int(controller["spec"].get("replicas", 1))


def copies_are_apart(objects: Objects) -> Iterator[Finding]:
    """Control 36."""
    for controller in of_kind(objects, *SERVICES):
        if copies(objects, controller) < 2:
            continue
        spec = controller["spec"]["template"]["spec"]
        labels = controller["spec"]["template"]["metadata"]["labels"].items()
        rules = {
            rule["topologyKey"]: rule["whenUnsatisfiable"]
            for rule in spec.get("topologySpreadConstraints") or ()
            if rule["maxSkew"] == 1 and rule["labelSelector"]["matchLabels"].items() <= labels
        }
        if rules.get("kubernetes.io/hostname") != "DoNotSchedule":
            harm = "one node's end is the end of all copies"
            yield _spread(controller, harm, "spread over kubernetes.io/hostname, DoNotSchedule")
        if rules.get("topology.kubernetes.io/zone") != "ScheduleAnyway":
            harm = "one zone's end is the end of all copies"
            yield _spread(controller, harm, "spread over zones, ScheduleAnyway")


def _spread(controller: Manifest, harm: str, fix: str) -> Finding:
    return Finding(36, key(controller), "spec.template.spec.topologySpreadConstraints", harm, fix)


def namespaces_are_two(objects: Objects) -> Iterator[Finding]:
    """Control 41: beside the stack's own namespace there is at most that of its nodes' agents."""
    names = {str(one["metadata"]["name"]) for one in of_kind(objects, "Namespace")}
    own = {name for name in names if not name.endswith(AGENTS)}
    for one in objects:
        if one["kind"] == "Namespace":
            name = str(one["metadata"]["name"])
            if len(own) > 1 and name not in {_place(other) for other in of_kind(objects, *POD_BEARERS)}:
                yield Finding(41, key(one), "metadata", "anything could be put there unseen", "one namespace")
        elif names and _place(one) and _place(one) not in names:
            yield Finding(41, key(one), "metadata.namespace", "nothing is denied there", min(own, default="its own"))


RULES: tuple[Callable[[Objects], Iterator[Finding]], ...] = (
    accounts_are_there,
    everything_else_is_denied,
    the_way_in_is_encrypted,
    a_node_can_be_drained,
    copies_are_apart,
    namespaces_are_two,
)
