"""Control 23: the level `restricted` of the Pod Security Standards, as far as a description shows it (pure).

A cluster's own admission decides; tests/kubernetes asks Kubernetes' program for its sentence on the same broken fields.
"""

from __future__ import annotations

from collections.abc import Iterator

from policies.finding import Finding, value
from policies.objects import Pod

HARM = "whoever breaks in has rights over the node"
PROFILES = ("RuntimeDefault", "Localhost")
VOLUMES = {
    "name", "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"
}  # fmt: skip
SELINUX = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}  # fmt: skip


def restricted(pod: Pod) -> Iterator[Finding]:
    """What the level refuses, field by field."""
    yield from _pod(pod)
    yield from _container(pod)


def _pod(pod: Pod) -> Iterator[Finding]:
    for word in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.spec.get(word):
            yield pod.finding(23, word, "it sees what every process of the node does", "remove it")
    for volume in pod.volumes:
        if kinds := volume.keys() - VOLUMES:
            where = f"volumes[{volume['name']}].{min(kinds)}"
            yield pod.finding(23, where, "it reaches the node or a foreign store", "a claim, or a projected file")
    for sysctl in value(pod.spec, "securityContext", "sysctls") or ():
        if sysctl.get("name") not in SYSCTLS:
            yield pod.finding(23, "securityContext.sysctls", "it sets the node's kernel", f"not {sysctl.get('name')}")


def _container(pod: Pod) -> Iterator[Finding]:
    own = pod.container.get("securityContext") or {}
    levels = [own, pod.spec.get("securityContext") or {}]
    if pod.security("runAsNonRoot") is not True or any(one.get("runAsNonRoot") is False for one in levels):
        yield pod.inside(23, "securityContext.runAsNonRoot", HARM, "true")
    if any(one.get("runAsUser") == 0 for one in levels):
        yield pod.inside(23, "securityContext.runAsUser", HARM, "a user that is not 0")
    profiles = [value(one, "seccompProfile", "type") for one in levels]
    if all(one is None for one in profiles) or any(one not in (None, *PROFILES) for one in profiles):
        yield pod.inside(23, "securityContext.seccompProfile", "every call of the kernel is open", "RuntimeDefault")
    if own.get("allowPrivilegeEscalation") is not False:
        yield pod.inside(23, "securityContext.allowPrivilegeEscalation", "a program can become root", "false")
    if "ALL" not in (value(own, "capabilities", "drop") or ()):
        yield pod.inside(23, "securityContext.capabilities.drop", "it can do what root can", "[ALL]")
    if set(value(own, "capabilities", "add") or ()) - {"NET_BIND_SERVICE"}:
        yield pod.inside(23, "securityContext.capabilities.add", "it can do what root can", "nothing")
    if own.get("privileged"):
        yield pod.inside(23, "securityContext.privileged", "it is root of the node", "false")
    if any(value(one, "appArmorProfile", "type") not in (None, *PROFILES) for one in levels):
        yield pod.inside(23, "securityContext.appArmorProfile", HARM, "RuntimeDefault")
    if any((value(one, "seLinuxOptions", "type") or "") not in SELINUX for one in levels):
        yield pod.inside(23, "securityContext.seLinuxOptions", HARM, "no type of its own")
    if any(port.get("hostPort") for port in pod.container.get("ports") or ()):
        yield pod.inside(23, "ports.hostPort", "the node answers for it, past every policy", "a Service")
    for name in ("startup", "readiness", "liveness"):
        probe = pod.container.get(f"{name}Probe") or {}
        if any(value(probe, way, "host") for way in ("httpGet", "tcpSocket")):
            yield pod.inside(23, f"{name}Probe", "the kubelet asks another host for it", "no host")
