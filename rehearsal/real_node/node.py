"""The real node itself: its namespaces, its programs in order, and how all of it goes."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import yaml

from rehearsal.control_plane.api import Object, Refused
from rehearsal.control_plane.errors import ControlPlaneError
from rehearsal.control_plane.lifetime import Lifetime
from rehearsal.control_plane.nodes import is_ready
from rehearsal.control_plane.plane import ControlPlane
from rehearsal.control_plane.process import Process
from rehearsal.real_node import cgroups, cluster, configuration, requirements
from rehearsal.real_node.cable import Cable
from rehearsal.real_node.images import Store
from rehearsal.real_node.namespaces import Namespaces
from rehearsal.real_node.programs import SYSTEM_PATH, NodePrograms
from rehearsal.real_node.relay import Relay
from tools.places import CHECKOUT

PREFIX = "slm-real-node-"
"""Of a node's folder and its control group; the process id of its owner follows."""

START = 120.0
"""Seconds each program gets to become ready."""


class RealNode(Lifetime):
    """A node of the control plane for one `with` block. The control plane must be made with `real_nodes=True`.

    Everything it has lies in a folder of its own and in namespaces of its own; nothing is left at the end, nor when the
    process that started it is killed, but an empty control group and the folder, which the next start removes.
    """

    name = "real-0"

    def __init__(self, plane: ControlPlane, programs: NodePrograms | None = None, proxy: str | None = None) -> None:
        """`proxy` is the URL of the HTTP proxy by which this site reaches the outside, where it has one."""
        self.plane, self.programs, self._upstream = plane, programs or NodePrograms.installed(), proxy
        self.processes: list[Process] = []
        self.folder = Path()
        self._cable: Cable | None = None
        self._relay: Relay | None = None
        self._group = ""
        self._namespaces: Namespaces | None = None

    @property
    def proxy(self) -> str:
        """The URL at which pods reach the outside. Raises ControlPlaneError while the node does not run."""
        if self._cable is None or self._relay is None:
            raise ControlPlaneError("The real node does not run", fix="use it inside its `with` block")
        return f"http://{self._cable.machine}:{self._relay.proxy_port}"

    @property
    def images(self) -> Store:
        """The images that its containers are made from."""
        return Store(self._made.command(str(self.programs.ctr), "--address", configuration.SOCKET))

    def start(self) -> None:
        """Start everything and wait until the node is ready, with its name server.

        Raises ControlPlaneError. What was started by then is left to `stop`.
        """
        requirements.require()
        self.programs.require()
        remove_abandoned()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        self._group = self.folder.name
        cgroups.make(self._group)
        self._namespaces = Namespaces.make(self.folder, self._environment)
        self._cable = Cable.choose(os.getpid())
        self._cable.connect(self._namespaces.first.pid)
        self._relay = Relay(str(self._cable.machine), self.plane.premises.ports.api, self._upstream)
        self._relay.start()
        self._write_configuration(self._cable, self._relay)
        self._start_containerd()
        self._start("kube-proxy", [str(self.programs.kube_proxy), f"--config={self.folder / 'kube-proxy.yaml'}"])
        self._start("kubelet", self._kubelet_command(self._cable))
        self._tell_the_cluster(self._cable, self._relay)

    def stop(self) -> None:
        """End all its processes at once and remove what it had. Safe at any time, any number of times."""
        for process in self.processes:
            process.popen.kill()
            process.popen.wait()
        self.processes.clear()
        if self._namespaces:
            self._namespaces.end()
            self._namespaces = None
        if self._relay:
            self._relay.stop()
        if self._cable:
            self._cable.remove()
        self._relay = self._cable = None
        if self._group:
            cgroups.remove(self._group)
            shutil.rmtree(self.folder)
            self._group = ""

    def check(self) -> None:
        """Raises ControlPlaneError when something that should run does not any more."""
        for process in [self._made.process, *self.processes]:
            process.check()

    def tail(self, lines: int = 10) -> str:
        """The last lines that each of its programs wrote."""
        return "\n".join(f"  {process.name} wrote at last:\n{process.tail(lines)}" for process in self.processes)

    def _write_configuration(self, cable: Cable, relay: Relay) -> None:
        folder, premises = self.folder, self.plane.premises
        server = f"https://{cable.machine}:{relay.api_port}"
        for name, user, groups in (
            ("kubelet", f"system:node:{self.name}", ("system:nodes",)),
            ("kube-proxy", "system:kube-proxy", ()),
        ):
            pair = premises.authority.client(user, *groups, name=f"{self.name}-{name}")
            config = configuration.kubeconfig(server, premises.identity.authority, pair.certificate, pair.key)
            self._write(f"{name}.kubeconfig", config)
        authority = premises.identity.authority
        self._write("kubelet.yaml", configuration.kubelet(folder, authority, str(cable.node), self._group))
        self._write("kube-proxy.yaml", configuration.kube_proxy(folder / "kube-proxy.kubeconfig", self.name))
        (folder / "containerd.toml").write_text(configuration.containerd(folder, self.programs))
        (folder / "resolv.conf").write_text("# Pods that do not ask the cluster's name server ask none.\n")
        (folder / "cni").mkdir()
        (folder / "cni" / "pods.conflist").write_text(json.dumps(configuration.network(), indent=1))
        for volume in cluster.folders(folder / "volumes"):
            volume.mkdir(parents=True)

    def _write(self, name: str, content: dict[str, Any]) -> None:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(content, sort_keys=False))

    def _start_containerd(self) -> None:
        command = [str(self.programs.containerd), "--config", str(self.folder / "containerd.toml")]
        started = self._start("containerd", command)
        started.wait_until(self._made.path(configuration.SOCKET).exists, START)
        self.images.program(configuration.PAUSE, self.programs.pause)
        self.images.program("slm.local/coredns:1", self.programs.coredns)

    def _kubelet_command(self, cable: Cable) -> list[str]:
        return [
            str(self.programs.kubelet),
            f"--config={self.folder / 'kubelet.yaml'}",
            f"--kubeconfig={self.folder / 'kubelet.kubeconfig'}",
            f"--hostname-override={self.name}",
            f"--node-ip={cable.node}",
            f"--node-labels={cluster.LABEL}={cluster.REAL}",
            f"--cert-dir={self.folder / 'kubelet-certificates'}",
        ]

    def _tell_the_cluster(self, cable: Cable, relay: Relay) -> None:
        with self.plane.premises.api() as api:
            for body in cluster.objects(str(cable.machine), relay.api_port, self.name, self.folder / "volumes"):
                api.apply(body)

            def ready(path: str) -> bool:
                self.check()
                return is_ready(_found(lambda: api.get(path)))

            self.plane.wait(lambda: ready(f"/api/v1/nodes/{self.name}"), f"the node {self.name}", START)
            servers = "/api/v1/namespaces/kube-system/pods"
            self.plane.wait(
                lambda: any(map(is_ready, api.items(servers, labelSelector="k8s-app=kube-dns"))),
                "the name server's pod",
                START,
            )

    def _start(self, name: str, command: Sequence[str]) -> Process:
        log = self.folder / f"{name}.log"
        process = Process.start(name, self._made.command(*command), log, self._environment)
        self.processes.append(process)
        return process

    @property
    def _environment(self) -> dict[str, str]:
        # containerd finds its shim beside itself, runc and iptables on the system's path.
        path = f"{self.programs.containerd.parent}:{SYSTEM_PATH}"
        return {"PATH": path, "HOME": str(self.folder), "PYTHONPATH": str(CHECKOUT)}

    @property
    def _made(self) -> Namespaces:
        if self._namespaces is None:
            raise ControlPlaneError("The real node does not run", fix="use it inside its `with` block")
        return self._namespaces


def _found(get: Any) -> Object:
    try:
        found: Object = get()
    except Refused:
        return {}
    return found


def remove_abandoned() -> None:
    """Remove what nodes left whose owner was killed: nothing of them runs, as the kernel ended it with their owner."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}[0-9]*-*"):
        if not psutil.pid_exists(int(folder.name.removeprefix(PREFIX).split("-")[0])):
            cgroups.remove(folder.name)
            shutil.rmtree(folder, ignore_errors=True)
