"""The command lines of the control plane's processes (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rehearsal.control_plane.certificates import Pair
from rehearsal.control_plane.pools import POOL_LABEL
from rehearsal.control_plane.ports import LOOPBACK
from rehearsal.control_plane.programs import Programs

SERVICE_NETWORK = "10.0.0.0/16"
"""Cluster IPs of services, as AKS has them by default."""

POD_NETWORK = "10.244.0.0/16"
"""Addresses of pods, as AKS has them by default with an overlay network."""

ISSUER = "https://kubernetes.default.svc.cluster.local"


@dataclass(frozen=True)
class Ports:
    """Where each process listens, on loopback."""

    api: int
    etcd: int
    etcd_peer: int
    controller_manager: int
    scheduler: int


@dataclass(frozen=True)
class Identity:
    """Who the servers are, whom they trust, and what signs service accounts' tokens.

    `kubelet_client` is who the API server is before kubelets, which it asks for logs and for ways into pods.
    """

    authority: Path
    server: Pair
    kubelet_client: Pair
    service_accounts: Pair


def etcd(programs: Programs, ports: Ports, identity: Identity, data: Path) -> list[str]:
    """Its data is thrown away at the end, so it need not reach the disk."""
    client, peer = f"https://{LOOPBACK}:{ports.etcd}", f"https://{LOOPBACK}:{ports.etcd_peer}"
    certificates = [
        f"--{prefix}{flag}"
        for prefix in ("", "peer-")
        for flag in (
            f"cert-file={identity.server.certificate}",
            f"key-file={identity.server.key}",
            f"trusted-ca-file={identity.authority}",
            "client-cert-auth",
        )
    ]
    return [
        str(programs.etcd),
        "--name=rehearsal",
        f"--data-dir={data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=rehearsal={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
        *certificates,
    ]


def api_server(programs: Programs, ports: Ports, identity: Identity) -> list[str]:
    """With the admission that AKS has switched on, and no address to be reached at from another machine."""
    return [
        str(programs.kube_apiserver),
        f"--bind-address={LOOPBACK}",
        f"--secure-port={ports.api}",
        f"--advertise-address={LOOPBACK}",
        # The `kubernetes` service would point to loopback, which Kubernetes refuses; nothing here uses it.
        "--endpoint-reconciler-type=none",
        f"--etcd-servers=https://{LOOPBACK}:{ports.etcd}",
        f"--etcd-cafile={identity.authority}",
        f"--etcd-certfile={identity.server.certificate}",
        f"--etcd-keyfile={identity.server.key}",
        f"--tls-cert-file={identity.server.certificate}",
        f"--tls-private-key-file={identity.server.key}",
        f"--client-ca-file={identity.authority}",
        f"--kubelet-client-certificate={identity.kubelet_client.certificate}",
        f"--kubelet-client-key={identity.kubelet_client.key}",
        "--kubelet-preferred-address-types=InternalIP",
        "--anonymous-auth=false",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={identity.service_accounts.certificate}",
        f"--service-account-signing-key-file={identity.service_accounts.key}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        # As on AKS: what keeps privileged pods out there is Pod Security, so it must be what does here.
        "--allow-privileged=true",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        "--profiling=false",
        "--event-ttl=15m",
        # There are few clients, all friendly; fairness among them costs memory and processor time at the start.
        "--enable-priority-and-fairness=false",
    ]


def controller_manager(programs: Programs, ports: Ports, identity: Identity, kubeconfig: Path) -> list[str]:
    """All default controllers but the one that waits for kubelets to attach disks."""
    return [
        str(programs.kube_controller_manager),
        f"--kubeconfig={kubeconfig}",
        *_served(ports.controller_manager, identity),
        # Each controller as its own service account, with no more rights than it has on any cluster.
        "--use-service-account-credentials=true",
        "--controllers=*,-persistentvolume-attach-detach-controller",
        f"--service-account-private-key-file={identity.service_accounts.key}",
        f"--root-ca-file={identity.authority}",
        f"--cluster-cidr={POD_NETWORK}",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]


def scheduler(programs: Programs, ports: Ports, identity: Identity, configuration: Path) -> list[str]:
    """It is told who it is, and more, by its configuration file."""
    return [str(programs.kube_scheduler), f"--config={configuration}", *_served(ports.scheduler, identity)]


def scheduler_configuration(kubeconfig: Path) -> dict[str, object]:
    """The default profile; a pod that found no place is tried again sooner than on a big cluster."""
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig), "qps": 200, "burst": 400},
        "leaderElection": {"leaderElect": False},
        "podInitialBackoffSeconds": 1,
        "podMaxBackoffSeconds": 2,
    }


def kwok(programs: Programs, kubeconfig: Path, stages: Path, real_nodes: bool = False) -> list[str]:
    """It looks after every node there is, as all are simulated; with `real_nodes` after those that pools made."""
    simulated = f"--manage-nodes-with-label-selector={POOL_LABEL}" if real_nodes else "--manage-all-nodes=true"
    return [
        str(programs.kwok),
        f"--kubeconfig={kubeconfig}",
        f"--config={stages}",
        simulated,
        f"--cidr={POD_NETWORK}",
        "--node-lease-duration-seconds=40",
    ]


def _served(port: int, identity: Identity) -> list[str]:
    return [
        f"--bind-address={LOOPBACK}",
        f"--secure-port={port}",
        f"--tls-cert-file={identity.server.certificate}",
        f"--tls-private-key-file={identity.server.key}",
        "--profiling=false",
        "--leader-elect=false",
    ]
