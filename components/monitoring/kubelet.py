"""The way to each node's kubelet: an HAProxy on every node that leads to the kubelet of its own node, unread (pure).

The figures of containers are the kubelets' own on a cluster. To find kubelets, Prometheus would have to list the
cluster's nodes; so a copy of this is on every node, and Prometheus finds the copies by their Service's name. What goes
through is encrypted from Prometheus to the kubelet, which asks for a token that only Prometheus has.
"""

from __future__ import annotations

from components.workload import FILES_DIRECTORY, File, Image, Probe, Resources, Workload

NAME = "kubelet-proxy"
PORT = 10251
KUBELET = "${NODE_ADDRESS}:10250"
"""A Kubernetes target sets the variable (components/targets/kubernetes/agents.py)."""

TOKEN = "/var/run/slm-token/token"  # noqa: S105 - where a Kubernetes target mounts Prometheus' token

_CONFIGURATION = f"""\
# Made by components/monitoring; changes made here by hand are lost.
global
    log stdout format raw local0 warning
    maxconn 16

defaults
    mode tcp
    log global
    timeout connect 2s
    timeout client 60s
    timeout server 60s

frontend figures
    bind :{PORT}
    # Who only looks whether somebody listens, as the probe does, never gets to the kubelet, which would log each look.
    tcp-request inspect-delay 5s
    tcp-request content accept if {{ req.ssl_hello_type 1 }}
    tcp-request content reject
    default_backend kubelet

backend kubelet
    server own "{KUBELET}"
"""


def workload(image: Image) -> Workload:
    """The proxy. Its image is the gateway's. Whether the kubelet answers is Prometheus' to see."""
    return Workload(
        name=NAME,
        image=image,
        command=("haproxy",),
        args=("-db", "-f", f"{FILES_DIRECTORY}/haproxy.cfg"),
        files=(File(name="haproxy.cfg", content=_CONFIGURATION),),
        port=PORT,
        probe=Probe(command=("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{PORT}"), interval=10, startup=30),
        resources=Resources(memory_mib=64, cpus=0.1, pids=32),
    )
