"""Everything but pods, broken field by field (see mutations.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from components.targets.kubernetes.names import Manifest
from tests.kubernetes.mutations import CONTAINER, POD, REMOVED, SCHEMA, On

namespace = On("prod", "Namespace/slm", ("metadata", "labels"))
service = On("prod", "Service/chat", ("spec",))
outside = On("prod", "Service/gateway-outside", ("spec",))
files = On("prod", "ConfigMap/gateway-files", ("data",))
on_one_disk = On("prod", "Deployment/chat", ("spec", "strategy", "rollingUpdate"))
on_last_gpu = On("copies", "Deployment/last-gpu", ("spec", "strategy", "rollingUpdate"))
budget = On("prod", "PodDisruptionBudget/chat", ("spec",))
spread = On("copies", "Deployment/gateway", (*POD, "topologySpreadConstraints"))
scaled = On("copies", "Deployment/chat", POD)
agents = On("prod", "Namespace/slm-node-agents", ("metadata", "labels"))
agent = On("prod", "DaemonSet/slm-node-agents/nvidia-device-plugin", POD)
agent_container = On("prod", "DaemonSet/slm-node-agents/nvidia-device-plugin", CONTAINER)
shipper = On("copies", "DaemonSet/slm-node-agents/collector", POD)
kubelets = On("copies", "ClusterRole/slm-prometheus-kubelets", ("rules",))
to_loki = On("copies", "NetworkPolicy/to-loki", ("spec",))
to_kubelet = On("copies", "NetworkPolicy/from-kubelet-proxy-outside", ("spec",))
denied = On("prod", "NetworkPolicy/default-deny", ("spec",))
names = On("prod", "NetworkPolicy/dns", ("spec",))
to_engine = On("prod", "NetworkPolicy/to-chat", ("spec",))
to_gateway = On("prod", "NetworkPolicy/to-gateway", ("spec",))
from_gateway = On("prod", "NetworkPolicy/from-gateway-to-chat", ("spec",))
from_job = On("prod", "NetworkPolicy/from-chat-fetch-outside", ("spec",))
engine = On("prod", "Deployment/chat", ("spec", "template", "metadata", "labels"))
scrape = On("copies", "NetworkPolicy/to-gateway", ("spec",))

PSA = "pod-security.kubernetes.io"
ANYBODY = [{"namespaceSelector": {"matchLabels": {}}}]
WHOLE = "", REMOVED


def instead(old: str, new: str) -> Callable[[str], str]:
    """A text with one part replaced by another one."""

    def replace(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return replace


def config_map(name: str, where: str, **labels: str) -> Manifest:
    """An object that has no business where it is put."""
    metadata = {"name": name, "namespace": where, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {}}


def open_namespace(name: str) -> Manifest:
    """A namespace that admits everything and tells nobody."""
    labels = {f"{PSA}/enforce": "privileged"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def node_agent(name: str) -> Manifest:
    """An agent of the nodes that sees nothing of them yet."""
    metadata, labels = {"name": name, "namespace": "slm-node-agents"}, {"app": name}
    pod = {
        "automountServiceAccountToken": False,
        "volumes": [],
        "containers": [{"name": name, "image": "docker.io/some@sha256:" + "a" * 64, "volumeMounts": []}],
    }
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata, "spec": spec}


def blocks(*left_out: str) -> list[dict[str, Any]]:
    """The whole internet, without some of what is always left out."""
    kept = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "0.0.0.0/8", "127.0.0.0/8",
            "169.254.0.0/16", "168.63.129.16/32", "192.0.0.192/32"}  # fmt: skip
    return [{"ipBlock": {"cidr": "0.0.0.0/0", "except": sorted(kept - set(left_out))}}]


MUTATIONS = [
    namespace("a namespace that admits everything", f"{PSA}/enforce", "privileged", 22),
    namespace("a namespace that admits too much", f"{PSA}/enforce", "baseline", 22),
    namespace("a namespace without a level", f"{PSA}/enforce", REMOVED, 22),
    namespace("a level that moves", f"{PSA}/enforce-version", "latest", 22),
    namespace("an audit that moves", f"{PSA}/audit-version", REMOVED, 22),
    namespace("a warning that moves", f"{PSA}/warn-version", "v1.20", 22),
    namespace("nothing in the audit log", f"{PSA}/audit", REMOVED, 22),
    namespace("nobody warned", f"{PSA}/warn", "privileged", 22),
    denied("no denial at all", *WHOLE, 31),
    denied("a denial of one way", "policyTypes", ["Ingress"], 31),
    denied("a denial of the other way", "policyTypes", ["Egress"], 31),
    denied("a denial for some", "podSelector", {"matchLabels": {"app.kubernetes.io/name": "chat"}}, 31),
    names("names for everybody", "podSelector", {}, 31),
    names("names from any pod of the system", "egress 0 to 0", ANYBODY[0], 31),
    names("names nowhere", *WHOLE, 31),
    to_engine("an engine closed to its gateway", *WHOLE, 31),
    to_engine("an engine open to its namespace", "ingress 0 from", [{"podSelector": {}}], 31),
    to_engine("an engine open to every namespace", "ingress 0 from", ANYBODY, 31),
    to_engine("an engine open to all", "ingress 0 from", REMOVED, 31),
    to_engine("an engine open on every port", "ingress 0 ports", REMOVED, 31),
    to_engine("a policy for every pod", "podSelector", {}, 31),
    to_gateway("a gateway for the whole internet", "ingress 0 from", [{"ipBlock": {"cidr": "0.0.0.0/0"}}], 31),
    from_gateway("a gateway that reaches every pod", "egress 0 to", [{"podSelector": {}}], 31),
    from_gateway("a gateway that cannot ask its engine", *WHOLE, 31),
    from_job("a job that reaches the metadata service", "egress 0 to", blocks("169.254.0.0/16"), 31),
    from_job("a job that reaches Azure's agent", "egress 0 to", blocks("168.63.129.16/32"), 31),
    from_job("a job that reaches the site", "egress 0 to", blocks("10.0.0.0/8"), 31),
    from_job("a job that reaches any port", "egress 0 ports", REMOVED, 31),
    scrape("metrics for pods of any namespace", "ingress 4 from 0 namespaceSelector matchLabels", {}, 31),
    engine("an engine that may ask for names", "slm.network/dns", "allowed", 31),
    service("an engine on every node", "type", "NodePort", 33),
    service("an engine outside", "type", "LoadBalancer", 33),
    service("an engine at a foreign address", "externalIPs", ["192.0.2.7"], 33),
    outside("a gateway for the whole internet, by its load balancer", "loadBalancerSourceRanges", ["0.0.0.0/0"], 33),
    outside("a gateway for whoever finds it", "loadBalancerSourceRanges", REMOVED, 33),
    outside("clients that look like nodes", "externalTrafficPolicy", "Cluster", 33),
    files("a TLS that is broken", "haproxy.cfg", instead("ssl-min-ver TLSv1.2", "ssl-min-ver TLSv1.0"), 33),
    files("no TLS at all", "haproxy.cfg", instead(" ssl crt /etc/slm/tls.pem ssl-min-ver TLSv1.2", ""), 33),
    files("browsers not told to encrypt", "haproxy.cfg", instead("Strict-Transport-Security", "X-Nothing"), 33),
    on_one_disk("a second copy beside a disk", "maxSurge", 1, 34),
    on_one_disk("a rollout that may do nothing", "maxUnavailable", 0, 34),
    on_last_gpu("a second copy without a GPU", "maxSurge", 1, 34),
    On("copies", "Deployment/last-gpu")("a surge by default", "spec strategy", REMOVED, 34),
    budget("no budget", *WHOLE, 35),
    budget("a budget that holds every drain up", "maxUnavailable", 0, 35),
    budget("a budget of somebody else", "selector matchLabels app.kubernetes.io/name", "other", 35),
    budget("sick copies that hold a drain up", "unhealthyPodEvictionPolicy", REMOVED, 35),
    spread("copies on one node", "0 whenUnsatisfiable", "ScheduleAnyway", 36),
    spread("copies in one zone", "1", REMOVED, 36),
    scaled("scaled copies on one node", "topologySpreadConstraints", REMOVED, 36),
    agents("rights over the node, unseen", f"{PSA}/audit", REMOVED, 41),
    agents("something else beside the node's agents", "", config_map("other", "slm-node-agents"), 41),
    agents("an object outside of the two namespaces", "", config_map("other", "default"), 41),
    agents("a third namespace, open", "", open_namespace("open"), 41),
    agent("a node agent with the node's root", "volumes 0 hostPath path", "/", 41),
    agent("a node agent on the node's network", "hostNetwork", True, 41),
    agent("a node agent with a token", "automountServiceAccountToken", REMOVED, 41),
    agent_container("a privileged node agent", "securityContext privileged", True, 41),
    shipper("an agent of logs with the node's root", "volumes 3 hostPath path", "/", 41),
    shipper("an agent of logs that can change them", "containers 0 volumeMounts 3 readOnly", False, 41),
    shipper("an agent of logs on the node's network", "hostNetwork", True, 41),
    shipper("an agent of logs that changes itself", "containers 0 securityContext readOnlyRootFilesystem", False, 24),
    On("copies", "DaemonSet/slm-node-agents/collector")("an agent nobody listed", "", node_agent("other"), 41),
    kubelets("a right to all of a node", "0 resources 0", "nodes", 26),
    kubelets("a right to every resource", "0 resources 0", "*", 26),
    kubelets("a right to run programs through kubelets", "0 verbs", ["get", "create"], 26),
    to_loki("lines from a pod of any namespace", "ingress 2 from 0 namespaceSelector matchLabels", {}, 31),
    to_kubelet("an agent that may go everywhere", "egress 0 to 0 ipBlock cidr", "0.0.0.0/0", 31),
    budget("a misspelt field of a budget", "maxUnavailble", 1, SCHEMA),
    denied("a misspelt field of a policy", "policyType", ["Ingress"], SCHEMA),
    service("a port as a word", "ports 0 port", "http", SCHEMA),
]  # fmt: skip
