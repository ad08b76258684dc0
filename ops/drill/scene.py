"""What a drill has to do with: the containers of a running stack, its Prometheus, its gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from components.monitoring import loki
from components.settings import Settings, load, load_overlay
from components.targets.docker.container import Names, job_arguments
from components.workload import RUN_AS, Resources, Scratch, Workload
from ops import docker_client, health, inside
from ops.drill.prometheus_files import PrometheusFiles
from ops.errors import UserError
from ops.inside import Unreachable
from ops.machine import Machine
from ops.prometheus import Prometheus
from ops.pulumi_cli import Pulumi
from ops.secrets import keys

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

STAND_IN = "drill-exporter"
STAND_IN_PORT = 9100
FLOOD = "drill-flood"


class Scene:
    """A running stack on this machine's Docker engine. Raises UserError for any other."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.settings: Settings = load(machine.stack, machine.project, load_overlay(machine.config_path))
        self.names = Names(machine.stack)
        if self.settings.environment == "prod":
            raise UserError(
                f"stack '{machine.stack}' is production, and a drill really breaks what it is about",
                harm="people would be without answers for minutes, and the API key would be another one",
                fix="describe the same in a development stack, and drill there",
            )
        if (target := docker_client.docker_target(self.settings)) and target.remote:
            raise UserError(
                f"stack '{machine.stack}' runs on another machine, and drills were never played over SSH",
                harm="a cut connection would leave the fault in a stack that people use",
                fix="describe the same with a docker target on this machine, and drill there",
            )
        self.inside = inside.of(self.settings, machine.stack)
        self.prometheus = Prometheus(self.inside)
        self.client: DockerClient = docker_client.of(self.settings)
        self.engine = next(iter(self.settings.hosted), "")
        if not self.engine:
            raise UserError(f"stack '{machine.stack}' runs no engine of its own", fix="drills break engines: add one")
        self.model = self.settings.hosted[self.engine].served_models(self.settings.model_of(self.engine))[0]
        self._key = ""

    @property
    def url(self) -> str:
        """The gateway, as its clients know it."""
        return self.settings.gateway.endpoint

    def key(self) -> str:
        """The API key that is in use."""
        if not self._key:
            self.look_up_key()
        return self._key

    def look_up_key(self) -> None:
        """Use the newest key from now on."""
        held = keys.load(Pulumi(self.machine))
        if not held:
            raise UserError(f"stack '{self.machine.stack}' has no key yet", fix=f"make up STACK={self.machine.stack}")
        self._key = keys.current(held)

    def container(self, workload: str) -> Container:
        """A workload's container as it is now. Raises UserError when there is none."""
        import docker.errors

        try:
            return self.client.containers.get(self.names.container(workload))
        except docker.errors.NotFound:
            raise UserError(
                f"{workload} of stack '{self.machine.stack}' is not deployed", fix=f"make up STACK={self.machine.stack}"
            ) from None

    def containers(self) -> dict[str, Container]:
        """All of the stack's containers by name, running or not."""
        found = self.client.containers.list(
            all=True, filters={"label": f"slm.stack={self.machine.stack}"}, ignore_removed=True
        )
        return {str(c.name): c for c in found}

    def everything(self) -> dict[str, set[str]]:
        """What there is of the stack on this engine: names of containers with their ids, volumes, networks.

        A container that never ran carries files: a change of these files makes another one of the same name.
        """
        own: dict[str, Any] = {"label": f"slm.stack={self.machine.stack}"}
        return {
            "containers": {
                name if c.status == "created" else f"{name} {c.id}" for name, c in self.containers().items()
            },
            "volumes": {str(v.name) for v in self.client.volumes.list(filters=own)},
            "networks": {str(n.name) for n in self.client.networks.list(filters=own)},
        }

    def restarts(self) -> dict[str, int]:
        """How often Docker has started each container again because it ended by itself; not the engine's."""
        own = self.names.container(self.engine)
        return {name: int(c.attrs["RestartCount"]) for name, c in self.containers().items() if name != own}

    def firing(self) -> set[str]:
        """Names of the alerts that fire now; none while Prometheus does not answer."""
        return self._alerts("firing")

    def begun(self) -> set[str]:
        """Names of the alerts that fire or are about to."""
        return self._alerts("firing", "pending")

    def _alerts(self, *states: str) -> set[str]:
        try:
            return {alert.name for alert in self.prometheus.alerts() if alert.state in states}
        except Unreachable:
            return set()

    def value(self, query: str) -> float | None:
        """The first value of a query; None without any."""
        found = self.prometheus.query(query)
        return found[0].value if found else None

    def runs(self, workload: str, *command: str) -> bool:
        """Whether a command in the workload's container ends well."""
        return bool(self.container(workload).exec_run(list(command)).exit_code == 0)

    def wait_healthy(self, workload: str) -> None:
        """Wait as long as a deployment would. Raises UserError."""
        health.wait_healthy(self.container(workload))

    def lines(self, selector: str, since: float) -> list[str]:
        """Lines in the log store. Raises Unreachable."""
        words = f"query={quote(selector)}&limit=5000&start={int(since * 1e9)}"
        text = self.inside.get(f"http://{loki.NAME}:{loki.PORT}/loki/api/v1/query_range?{words}")
        return [line for stream in json.loads(text)["data"]["result"] for _, line in stream["values"]]

    @contextmanager
    def transient(self, name: str, script: str, networks: tuple[str, ...] = ()) -> Iterator[Container]:
        """A container of the stack that runs a Bash script until the block ends, hardened as a job is."""
        job = Workload(
            name=name,
            image=self.settings.images["haproxy"],
            command=("bash", "-c", script),
            scratch=(Scratch(path="/tmp", size_mib=16),),  # noqa: S108
            resources=Resources(memory_mib=64, cpus=1, pids=32),
        )
        network = self.names.container(networks[0]) if networks else None
        container = self.client.containers.create(**job_arguments(job, self.names, [], network))
        try:
            container.start()
            yield container
        finally:
            container.remove(force=True, v=True)

    def in_volume(self, volume: str, path: str, script: str, user: int = RUN_AS) -> str:
        """Run a Bash script as `user` with one volume of the stack, writable at `path`; what it printed."""
        job = Workload(
            name="drill-volume",
            image=self.settings.images["haproxy"],
            command=("bash", "-euc", script),
            resources=Resources(memory_mib=64, cpus=1, pids=16),
            user=user,
            group=user,
        )
        arguments = job_arguments(job, self.names, [], None)
        arguments["volumes"] = {volume: {"bind": path, "mode": "rw"}}
        container = self.client.containers.create(**arguments)
        try:
            container.start()
            code = int(container.wait(timeout=120)["StatusCode"])
            said = container.logs().decode(errors="replace")
        finally:
            container.remove(force=True, v=True)
        if code != 0:
            raise UserError(f"a drill could not change volume {volume}: {said.strip()[-200:]}", fix="see above")
        return said

    @cached_property
    def files(self) -> PrometheusFiles:
        """The files Prometheus reads."""
        return PrometheusFiles(self.client, self.names, self.inside, self.machine.directory)
