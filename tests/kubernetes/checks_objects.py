"""Our own checks of everything but pods and networks: one for each control."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from components.targets.kubernetes.names import Manifest
from tests.kubernetes.findings import Finding, Pod, Subject, control, value
from tests.kubernetes.rendered import key

MODES = ("enforce", "audit", "warn")
LEVEL = "pod-security.kubernetes.io"
SERVICES = ("Deployment", "StatefulSet")


@control(22)
def namespace_is_restricted(subject: Subject) -> Iterator[Finding]:
    name = subject.stack.site.namespace
    [namespace] = [o for o in subject.objects if key(o) == f"Namespace/{name}"]
    labels = namespace["metadata"]["labels"]
    for mode in MODES:
        if labels.get(f"{LEVEL}/{mode}") != "restricted":
            harm = "pods with rights over the node are admitted, or nobody is told"
            yield Finding(22, f"Namespace/{name}", f"metadata.labels.{mode}", harm, "restricted")
        version = f"{LEVEL}/{mode}-version"
        if labels.get(version) != subject.stack.site.pod_security_version:
            harm = "an upgrade of the cluster refuses what was admitted"
            yield Finding(22, f"Namespace/{name}", f"metadata.labels.{mode}-version", harm, "pin the version")


@control(33)
def only_the_way_in_is_open(subject: Subject) -> Iterator[Finding]:
    stack = subject.stack
    exposed = {name for name, planned in stack.planned.items() if planned.around.exposure}
    for service in subject.of_kind("Service"):
        spec, name = service["spec"], key(service)
        if spec.get("externalIPs") or any("nodePort" in port for port in spec["ports"]):
            yield Finding(33, name, "spec", "every node answers for it", "remove externalIPs and nodePort")
        owner = service["metadata"]["labels"]["app.kubernetes.io/name"]
        if spec["type"] == "ClusterIP":
            continue
        if spec["type"] != "LoadBalancer" or owner not in exposed or stack.site.exposure == "none":
            yield Finding(33, name, "spec.type", "it is open outside the cluster", "ClusterIP")
            continue
        ranges = spec.get("loadBalancerSourceRanges") or ["0.0.0.0/0"]
        if any(ip_network(one).prefixlen == 0 for one in ranges):
            yield Finding(33, name, "spec.loadBalancerSourceRanges", "the whole internet comes in", "name the callers")
        if spec.get("externalTrafficPolicy") != "Local":
            harm = "every client looks like a node, and no rule can tell them apart"
            yield Finding(33, name, "spec.externalTrafficPolicy", harm, "Local")
    yield from _encrypted(subject)


def _encrypted(subject: Subject) -> Iterator[Finding]:
    """The gateway speaks TLS 1.2 or newer on the port that a load balancer leads to."""
    for files in subject.of_kind("ConfigMap"):
        if subject.stack.site.exposure == "none" or key(files) != "ConfigMap/gateway-files":
            continue
        config = files["data"]["haproxy.cfg"]
        bind = next(line for line in config.split("frontend api")[1].splitlines() if line.strip().startswith("bind"))
        if " ssl " not in bind or not any(f"ssl-min-ver TLSv1.{minor}" in bind for minor in (2, 3)):
            yield Finding(33, "ConfigMap/gateway-files", "data.haproxy.cfg", "keys can be read on the way", "TLS 1.2")
        if "Strict-Transport-Security" not in config:
            harm = "a browser may be led to ask without encryption"
            yield Finding(33, "ConfigMap/gateway-files", "data.haproxy.cfg", harm, "send Strict-Transport-Security")


@control(34)
def a_rollout_never_waits_for_itself(subject: Subject) -> Iterator[Finding]:
    one_node = {
        one["metadata"]["name"] for one in subject.of_kind("PersistentVolumeClaim")
        if "ReadWriteMany" not in one["spec"]["accessModes"]
    }  # fmt: skip
    for pod in subject.pods():
        if pod.controller["kind"] != "Deployment":
            continue
        update = value(pod.controller, "spec", "strategy", "rollingUpdate") or {"maxSurge": 1, "maxUnavailable": 0}
        surge, unavailable = update["maxSurge"], update["maxUnavailable"]
        path = "spec.strategy.rollingUpdate"
        if not surge and not unavailable:
            yield Finding(34, pod.name, path, "it may neither start a copy nor stop one", "maxUnavailable: 1")
        claims = {value(v, "persistentVolumeClaim", "claimName") for v in pod.spec["volumes"]}
        if surge and claims & one_node:
            yield Finding(34, pod.name, path, "the new copy must fit beside the old one on its node", "maxSurge: 0")
        elif surge and (free := _free_places(subject, pod)) is not None and free < surge:
            yield Finding(34, pod.name, path, "the new copy waits for the GPU of the old one for ever", "maxSurge: 0")


def _free_places(subject: Subject, pod: Pod) -> int | None:
    """How many copies more its pool has GPUs for when all workloads run at their most. None without GPUs."""
    for pool in subject.stack.site.gpu_pools:
        gpus = int(value(pod.container, "resources", "limits", pool.gpu_resource) or 0)
        if not gpus or pool.labels.items() - pod.spec["nodeSelector"].items():
            continue
        taken = 0
        for other in subject.pods():
            if other.serves:
                asked = int(value(other.container, "resources", "limits", pool.gpu_resource) or 0)
                taken += asked * subject.copies(other.controller)
        return ((pool.capacity or 0) - taken) // gpus
    return None


@control(35)
def a_node_can_be_drained(subject: Subject) -> Iterator[Finding]:
    budgets = list(subject.of_kind("PodDisruptionBudget"))
    for controller in subject.of_kind(*SERVICES):
        labels = controller["spec"]["template"]["metadata"]["labels"].items()
        own = [b for b in budgets if b["spec"]["selector"]["matchLabels"].items() <= labels]
        if len(own) != 1:
            yield Finding(35, key(controller), "", "all copies can be taken away at once", "one disruption budget")
    for budget in budgets:
        spec = budget["spec"]
        if spec.get("maxUnavailable") != 1 or "minAvailable" in spec:
            harm = "no node with its last copy could ever be drained, or all copies go at once"
            yield Finding(35, key(budget), "spec.maxUnavailable", harm, "maxUnavailable: 1, no minAvailable")
        if spec.get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            harm = "a copy that never becomes ready holds a drain up"
            yield Finding(35, key(budget), "spec.unhealthyPodEvictionPolicy", harm, "AlwaysAllow")


@control(36)
def copies_are_apart(subject: Subject) -> Iterator[Finding]:
    for controller in subject.of_kind(*SERVICES):
        if subject.copies(controller) < 2:
            continue
        spec = controller["spec"]["template"]["spec"]
        labels = controller["spec"]["template"]["metadata"]["labels"].items()
        rules = {
            rule["topologyKey"]: rule["whenUnsatisfiable"]
            for rule in spec.get("topologySpreadConstraints", ())
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


ALONE = ("Namespace", "ServiceAccount", "NetworkPolicy", "DaemonSet")
OF_AGENTS = ("ConfigMap", "Service", "VerticalPodAutoscaler")
PATHS = {
    "nvidia-device-plugin": "/var/lib/kubelet/device-plugins",
    "collector": "/var/log/pods",
    "dcgm-exporter": "/var/lib/kubelet/pod-resources",
}
"""The programs of the nodes, each with the one path of the node that it sees; all but the first only read."""

NAME = "app.kubernetes.io/name"


@control(41)
def node_agents_are_alone(subject: Subject) -> Iterator[Finding]:
    """What needs the node's own paths has a namespace for itself, with nothing else in it."""
    own, agents = subject.stack.namespaces
    for one in subject.objects:
        metadata, labels = one["metadata"], one["metadata"].get("labels", {})
        place, listed = metadata.get("namespace", own), labels.get(NAME) in PATHS
        if one["kind"] == "Namespace" and metadata["name"] != own:
            if metadata["name"] != agents or {labels.get(f"{LEVEL}/{mode}") for mode in MODES[1:]} != {"restricted"}:
                yield Finding(
                    41, key(one), "metadata", "anything could be put there unseen", f"{agents}, with warnings"
                )
        elif place not in (own, agents):
            yield Finding(41, key(one), "metadata.namespace", "nothing is denied there", own)
        elif place == agents and one["kind"] not in ALONE and not (listed and one["kind"] in OF_AGENTS):
            yield Finding(41, key(one), "kind", "it has rights over the node", f"move it to {own}")
        elif place == agents and one["kind"] == "DaemonSet":
            yield from _agent(one)


def _agent(one: Manifest) -> Iterator[Finding]:
    spec, name = one["spec"]["template"]["spec"], one["metadata"]["name"]
    if name not in PATHS:
        yield Finding(41, key(one), "metadata.name", "it has rights over the node", "only the listed agents")
    volumes = {v["name"]: path for v in spec["volumes"] if (path := value(v, "hostPath", "path"))}
    if paths := set(volumes.values()) - {PATHS.get(name)}:
        yield Finding(41, key(one), "spec.template.spec.volumes", f"it sees {paths} of the node", "its own path alone")
    if any(spec.get(word) for word in ("hostNetwork", "hostPID", "hostIPC")):
        yield Finding(41, key(one), "spec.template.spec", "it sees what every process of the node does", "remove it")
    if spec.get("automountServiceAccountToken") is not False:
        yield Finding(41, key(one), "spec.template.spec", "it can ask the API server", "no token")
    for container in spec["containers"]:
        if value(container, "securityContext", "privileged"):
            yield Finding(41, key(one), "containers.securityContext", "it is root of the node", "privileged: false")
        for mount in container["volumeMounts"]:
            if mount["name"] in volumes and name != "nvidia-device-plugin" and mount.get("readOnly") is not True:
                yield Finding(41, key(one), "containers.volumeMounts", "it can change the node", "readOnly: true")
