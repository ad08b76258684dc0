"""Who may talk to whom: Services, and NetworkPolicies that allow the edges of the stack's graph alone (pure).

Everything is denied for the namespace first (control 31). Each edge is then allowed at both its ends.
"""

from __future__ import annotations

from ipaddress import ip_address

from components.targets.kubernetes.agents import view_egress
from components.targets.kubernetes.names import COPIES, NAME_LABEL, OUTSIDE, Manifest, Names
from components.targets.kubernetes.pod import DNS_LABEL
from components.targets.kubernetes.site import PRIVATE
from components.targets.kubernetes.storage import SKIP_AWAIT
from components.targets.placement import Caller, Exposure, Outside, Surroundings, UnsupportedError
from components.workload import Workload

LOCAL = ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "168.63.129.16/32", "192.0.0.192/32")
"""Where a node's own services answer, among them the metadata services of clouds (169.254.169.254, Azure's
168.63.129.16), which give whoever asks the node's identity."""

KEDA_LABELS = {NAME_LABEL: "keda-operator"}
NAMESPACE_LABEL = "kubernetes.io/metadata.name"
_HTTPS = 443


def default_deny(names: Names) -> Manifest:
    """Nobody reaches a pod of this namespace, and no pod reaches anybody."""
    spec = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    return _policy(names, "default-deny", None, spec)


def allow_dns(names: Names) -> Manifest:
    """Pods that call others by name may ask the cluster's name server, and no other."""
    servers = {
        "namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
    ports = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    spec = {
        "podSelector": {"matchLabels": {DNS_LABEL: "allowed"}},
        "policyTypes": ["Egress"],
        "egress": [{"to": [servers], "ports": ports}],
    }
    return _policy(names, "dns", None, spec)


def policies(workload: Workload, around: Surroundings, names: Names) -> list[Manifest]:
    """What this workload may receive and send, and its callers' halves of their edges to it."""
    found = []
    if ingress := _ingress(workload, around, names):
        spec = {
            "podSelector": {"matchLabels": names.selector(workload.name)},
            "policyTypes": ["Ingress"],
            "ingress": ingress,
        }
        found.append(_policy(names, f"to-{workload.name}", workload.name, spec))
    for caller in {caller.name: caller for caller in around.callers}.values():
        if caller.name in names.site.elsewhere:
            continue  # What it may send is decided where it runs.
        theirs = names.of(agent=caller.agent)
        ports = [p for c in around.callers if c.name == caller.name for p in _ports(c.port or workload.port)]
        spec = {
            "podSelector": {"matchLabels": names.selector(caller.name)},
            "policyTypes": ["Egress"],
            "egress": [{"to": [_pods(names, workload.name, theirs)], "ports": ports}],
        }
        found.append(_policy(theirs, f"from-{caller.name}-to-{workload.name}", workload.name, spec))
    if egress := [*view_egress(around.view, names), *_egress(workload, around, names)]:
        spec = {
            "podSelector": {"matchLabels": names.selector(workload.name)},
            "policyTypes": ["Egress"],
            "egress": egress,
        }
        found.append(_policy(names, f"from-{workload.name}-outside", workload.name, spec))
    return found


def _ingress(workload: Workload, around: Surroundings, names: Names) -> list[Manifest]:
    rules = []
    for caller in around.callers:
        ports = _ports(caller.port or workload.port)
        rules.append({"from": [_caller_pods(caller, names)], "ports": ports})
    if around.exposure and names.site.exposure != "none":
        blocks = [{"ipBlock": {"cidr": cidr}} for cidr in allowed_sources(names)]
        rules.append({"from": blocks, "ports": _ports(workload.port)})
    if around.metrics_port and around.scales_others and names.site.keda_namespace:
        keda = {
            "namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: names.site.keda_namespace}},
            "podSelector": {"matchLabels": KEDA_LABELS},
        }
        rules.append({"from": [keda], "ports": _ports(around.metrics_port)})
    return rules


def _caller_pods(caller: Caller, names: Names) -> Manifest:
    if elsewhere := names.site.elsewhere.get(caller.name):
        return {
            "podSelector": {"matchLabels": elsewhere.labels},
            "namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: elsewhere.namespace}},
        }
    return _pods(names.of(agent=caller.agent), caller.name, names)


def allowed_sources(names: Names) -> tuple[str, ...]:
    """Who may come through the load balancer: the ranges that were given, else only private networks."""
    return names.site.source_ranges or PRIVATE


def _egress(workload: Workload, around: Surroundings, names: Names) -> list[Manifest]:
    if not workload.egress:
        return []
    rules = [{"to": [_address(outside)], "ports": _ports(outside.port)} for outside in around.outside]
    if not around.outside:
        rules.append({"to": [_internet()], "ports": _ports(_HTTPS)})
    for allowed in names.site.egress:
        rules.append({"to": [{"ipBlock": {"cidr": allowed.cidr}}], "ports": _ports(allowed.port)})
    return list({str(rule): rule for rule in rules}.values())


def _address(outside: Outside) -> Manifest:
    """A policy knows no names: who is called by name may be anywhere on the internet."""
    try:
        return {"ipBlock": {"cidr": f"{ip_address(outside.host)}/32"}}
    except ValueError:
        return _internet()


def _internet() -> Manifest:
    return {"ipBlock": {"cidr": "0.0.0.0/0", "except": [*PRIVATE, *LOCAL]}}


def services(workload: Workload, around: Surroundings, names: Names) -> list[Manifest]:
    """The names under which it is found. One that is not exposed has no address of its own but those of its pods, so
    that the gateway sees each copy and sends requests where the fewest run. One that is exposed has one address, which
    leads to any copy; a second name stands for each of them, ready or not, for whoever reads their figures.
    """
    if workload.port is None:
        return []
    ports = {workload.port: "serving"}
    for caller in around.callers:
        port = caller.port or workload.port
        ports.setdefault(port, "metrics" if port == around.metrics_port else "inside")
    if around.metrics_port:
        ports.setdefault(around.metrics_port, "metrics")
    spec: Manifest = {
        "type": "ClusterIP",
        "selector": names.selector(workload.name),
        "ports": [_service_port(name, port, port) for port, name in ports.items()],
    }
    if not around.exposure:
        spec["clusterIP"] = "None"
    found = [_service(workload.name, workload, spec, names)]
    if around.exposure and around.metrics_port:
        copies = {
            **spec,
            "ports": [_service_port("metrics", around.metrics_port, around.metrics_port)],
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
        }
        found.append(_service(f"{workload.name}{COPIES}", workload, copies, names))
    return found


def _service(name: str, workload: Workload, spec: Manifest, names: Names) -> Manifest:
    # Nobody waits for a Service to have pods: the pods come after it.
    metadata = names.metadata(name, workload.name, SKIP_AWAIT)
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def outside_service(workload: Workload, exposure: Exposure, names: Names) -> Manifest | None:
    """The load balancer in front of an exposed workload (control 33): its one port, for the allowed ranges only.

    A Service of its own, because every port of a load balancer's Service is open outside. None where nobody outside
    the cluster may call.
    """
    site = names.site
    if site.exposure == "none":
        return None
    if workload.port is None:
        raise UnsupportedError(f"workload '{workload.name}' has no port that could be exposed — give it one")
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": names.metadata(f"{workload.name}{OUTSIDE}", workload.name, site.load_balancer_annotations),
        "spec": {
            "type": "LoadBalancer",
            "selector": names.selector(workload.name),
            "ports": [_service_port("serving", exposure.port, workload.port)],
            "loadBalancerSourceRanges": list(allowed_sources(names)),
            # Otherwise every client would come from a node's address, and neither the policy nor the log would know
            # who it is.
            "externalTrafficPolicy": "Local",
        },
    }


def _service_port(name: str, port: int, target: int) -> Manifest:
    return {"name": name, "port": port, "targetPort": target, "protocol": "TCP"}


def _pods(names: Names, workload: str, seen_from: Names) -> Manifest:
    """Pods of a workload where `names` are, as a policy where `seen_from` is calls them."""
    pods: Manifest = {"podSelector": {"matchLabels": names.selector(workload)}}
    if names.namespace == seen_from.namespace:
        return pods
    return {**pods, "namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: names.namespace}}}


def _ports(port: int | None) -> list[Manifest]:
    return [{"protocol": "TCP", "port": port}]


def _policy(names: Names, name: str, workload: str | None, spec: Manifest) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": names.metadata(name, workload),
        "spec": spec,
    }
