"""The configuration files of a node's programs, as plain data (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rehearsal.control_plane.commands import POD_NETWORK
from rehearsal.real_node.programs import NodePrograms

PODS = "10.244.255.0/24"
"""Addresses of the node's pods: the last part of the cluster's, far from what simulated nodes are given."""

DNS = "10.0.0.10"
"""Address of the name server's Service, as AKS has it by default."""

DOMAIN = "cluster.local"
BRIDGE = "slm-pods"
PAUSE = "slm.local/pause:1"
SOCKET = "/run/containerd/containerd.sock"
MAX_PROCESSES = 1024
"""podPidsLimit: processes of each pod, as a stack file's `max_pids` of a pool tells."""


def kubelet(folder: Path, authority: Path, address: str, cgroup: str) -> dict[str, Any]:
    """KubeletConfiguration. It lets in whom the API server lets in, and nobody without a certificate."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": address,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority)},
        },
        "authorization": {"mode": "Webhook"},
        "readOnlyPort": 0,
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroup}",
        # Kubelets of this version refuse control groups of version 1 unless they are told not to.
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [DNS],
        "clusterDomain": DOMAIN,
        "resolvConf": str(folder / "resolv.conf"),
        "volumePluginDir": str(folder / "volume-plugins"),
        "maxPods": 30,
        "podPidsLimit": MAX_PROCESSES,
        "seccompDefault": True,
        # The machine's disk and memory are not the node's alone: it must not throw pods out because of others.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
    }


def kube_proxy(kubeconfig: Path, name: str) -> dict[str, Any]:
    """KubeProxyConfiguration. Limits on connections are the kernel's, which is not the node's alone."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "mode": "iptables",
        "clusterCIDR": POD_NETWORK,
        "hostnameOverride": name,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    }


def containerd(folder: Path, programs: NodePrograms) -> str:
    """containerd's config.toml. Images are brought in beforehand, so it has no registry and pulls nothing.

    Pods are not spared more than other programs when memory runs out: the machine is not the node's alone, and to
    promise them that takes a right (CAP_SYS_RESOURCE) which not every machine's administrator has.
    """
    return f"""\
version = 3
root = "{folder / "containerd"}"
state = "/run/containerd"
disabled_plugins = ["io.containerd.nri.v1.nri"]

[grpc]
address = "{SOCKET}"

[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "{PAUSE}"

[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ["{programs.cni_plugins}"]
conf_dir = "{folder / "cni"}"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = "{programs.runc}"
SystemdCgroup = false
"""


def network() -> dict[str, Any]:
    """The list of network plugins: one bridge for all pods of the node, whose packets leave with the node's address."""
    return {
        "cniVersion": "1.0.0",
        "name": "slm",
        "plugins": [
            {
                "type": "bridge",
                "bridge": BRIDGE,
                "isGateway": True,
                "ipMasq": True,
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    "dataDir": "/run/cni",
                    "ranges": [[{"subnet": PODS}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            }
        ],
    }


def kubeconfig(server: str, authority: Path, certificate: Path, key: Path) -> dict[str, Any]:
    """Of a client that reaches the API server at an address which its certificate does not know."""
    cluster: Mapping[str, str] = {
        "server": server,
        "certificate-authority": str(authority),
        "tls-server-name": "kubernetes",
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "rehearsal", "cluster": dict(cluster)}],
        "users": [{"name": "node", "user": {"client-certificate": str(certificate), "client-key": str(key)}}],
        "contexts": [{"name": "rehearsal", "context": {"cluster": "rehearsal", "user": "node"}}],
        "current-context": "rehearsal",
    }
