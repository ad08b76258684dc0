"""The control plane itself: started in order, watched, stopped in reverse order."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import yaml

from rehearsal.control_plane import commands, nodes, ports, stages
from rehearsal.control_plane.api import Api, Object, Refused
from rehearsal.control_plane.errors import ControlPlaneError, NotReady
from rehearsal.control_plane.lifetime import Lifetime
from rehearsal.control_plane.pools import SimulatedPool
from rehearsal.control_plane.premises import Premises
from rehearsal.control_plane.process import Process
from rehearsal.control_plane.programs import Programs
from rehearsal.control_plane.timing import Timing

HERE = Path(__file__).parent
START = 180.0
"""Seconds each process gets to become ready: a few are the rule; on an overloaded machine it was above 90 once."""

MEMORY = {"kube-apiserver": "400MiB", "kube-controller-manager": "150MiB", "kube-scheduler": "100MiB", "kwok": "100MiB"}
"""What each process tries to stay below; none fails above it."""

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class ControlPlane(Lifetime):
    """A control plane for one `with` block, with nodes of the pools.

    Everything it has lies in a folder of its own, which goes at the end. `port` is the API server's; 0 finds a free
    one. With `real_nodes`, nodes that no pool made are left to kubelets of their own. Start it in the main thread: its
    processes then end with this one even when it is killed.
    """

    def __init__(
        self,
        pools: Iterable[SimulatedPool] = (),
        *,
        timing: Timing | None = None,
        port: int = 0,
        programs: Programs | None = None,
        real_nodes: bool = False,
    ) -> None:
        self.pools, self.timing, self.port = tuple(pools), timing or Timing(), port
        self.real_nodes = real_nodes
        self.programs = programs or Programs.installed()
        self.processes: list[Process] = []
        self._premises: Premises | None = None
        self._nodes: nodes.Nodes | None = None

    @property
    def premises(self) -> Premises:
        """What it has for itself while it runs. Raises ControlPlaneError when it does not."""
        if self._premises is None:
            raise ControlPlaneError("The control plane does not run", fix="use it inside its `with` block")
        return self._premises

    @property
    def kubeconfig(self) -> Path:
        """An administrator's kubeconfig, complete in itself."""
        path = self.premises.folder / "administrator.kubeconfig"
        return path if path.exists() else self.premises.kubeconfig_of("administrator", self.premises.administrator)

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self.premises.server

    def start(self) -> None:
        """Start everything, and wait until every pool has its nodes.

        Raises ControlPlaneError. What was started by then is left to `stop`.
        """
        self.programs.require()
        if self.port:
            ports.require_free(self.port)
        self._premises = Premises.make(self.port)
        self._start_storage_and_api()
        with self.premises.api() as api:
            self._install(api)
            self._start_clients()
            self._wait_for_clients(api)
            self._nodes = nodes.Nodes(self.premises.api, self.timing)
            self._nodes.start()
            wanted = sum(pool.min_nodes for pool in self.pools)
            self.wait(lambda: sum(map(nodes.is_ready, api.items("/api/v1/nodes"))) >= wanted, f"{wanted} ready nodes")

    def stop(self) -> None:
        """End what runs, the last started first, and remove the folder. Safe at any time, any number of times."""
        if self._nodes:
            self._nodes.stop()
        while self.processes:
            self.processes.pop().stop()
        if self._premises:
            self._premises.remove()
            self._premises = None

    def check(self) -> None:
        """Raises ControlPlaneError when something that should run does not any more."""
        for process in self.processes:
            process.check()
        if self._nodes and self._nodes.failure:
            raise ControlPlaneError(
                f"The simulated nodes are not looked after any more: {self._nodes.failure}",
                fix=f"see whether the ConfigMap {nodes.NAMESPACE}/{nodes.NAME} holds pools as it should",
            ) from self._nodes.failure

    def wait(self, until: Callable[[], object], what: str, seconds: float = 30.0) -> None:
        """Wait until the condition holds. Raises NotReady, naming `what`, or what `check` finds."""
        end = time.monotonic() + seconds
        while not until():
            self.check()
            if time.monotonic() > end:
                said = "\n".join(f"  {p.name} wrote at last:\n{p.tail(3)}" for p in self.processes)
                raise NotReady(
                    f"Waited {seconds:.0f} s for {what}, in vain\n{said}",
                    fix="see whether the machine is too busy, or mend what they say",
                )
            time.sleep(0.1)

    def declare(self, pools: Iterable[SimulatedPool]) -> None:
        """From now on there are these pools, and no others."""
        with self.premises.api() as api:
            api.replace(nodes.PATH, nodes.declaration(pools))

    def _start_storage_and_api(self) -> None:
        premises = self.premises
        data = premises.folder / "etcd"
        etcd = self._start("etcd", commands.etcd(self.programs, premises.ports, premises.identity, data))
        with premises.client(premises.ports.etcd) as client:
            etcd.wait_until(lambda: client.healthy("/health"), START)
        server = self._start("kube-apiserver", commands.api_server(self.programs, premises.ports, premises.identity))
        with premises.api() as client:
            server.wait_until(lambda: client.healthy("/readyz"), START)

    def _install(self, api: Api) -> None:
        """What AKS and its add-ons bring: storage classes, drivers, kinds of objects."""
        for path in sorted([*HERE.glob("objects/*.yaml"), *HERE.glob("crds/*.yaml")]):
            for body in yaml.safe_load_all(path.read_text()):
                api.apply(body)
        api.apply(nodes.declaration(self.pools))

    def _start_clients(self) -> None:
        premises, programs = self.premises, self.programs
        manager = premises.kubeconfig("kube-controller-manager", "system:kube-controller-manager")
        command = commands.controller_manager(programs, premises.ports, premises.identity, manager)
        self._start("kube-controller-manager", command)
        configuration = premises.folder / "scheduler.yaml"
        scheduler = premises.kubeconfig("kube-scheduler", "system:kube-scheduler")
        configuration.write_text(yaml.safe_dump(commands.scheduler_configuration(scheduler)))
        command = commands.scheduler(programs, premises.ports, premises.identity, configuration)
        self._start("kube-scheduler", command)
        played = premises.folder / "stages.yaml"
        played.write_text(stages.render(self.timing))
        kubelets = premises.kubeconfig("kwok", "simulated-kubelets", "system:masters")
        self._start("kwok", commands.kwok(programs, kubelets, played, self.real_nodes))

    def _wait_for_clients(self, api: Api) -> None:
        manager, scheduler, _ = self.processes[-3:]
        used = self.premises.ports
        for process, port in ((manager, used.controller_manager), (scheduler, used.scheduler)):
            with self.premises.client(port) as client:
                process.wait_until(lambda client=client: client.healthy("/healthz"), START)  # type: ignore[misc]
        manager.wait_until(lambda: _exists(api, "/api/v1/namespaces/default/serviceaccounts/default"), START)
        self.wait(lambda: all(map(_established, api.items(DEFINITIONS))), "the API server to know all kinds of objects")

    def _start(self, name: str, command: Sequence[str]) -> Process:
        folder = self.premises.folder
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder)}
        if name in MEMORY:
            environment["GOMEMLIMIT"] = MEMORY[name]
        process = Process.start(name, command, folder / f"{name}.log", environment)
        self.processes.append(process)
        return process


def _exists(api: Api, path: str) -> bool:
    try:
        api.get(path)
    except Refused:
        return False
    return True


def _established(definition: Object) -> bool:
    conditions = definition.get("status", {}).get("conditions", ())
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)
