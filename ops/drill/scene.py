"""What a drill has to do with: the containers of a running stack, its Prometheus, its gateway."""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from components.monitoring import loki, prometheus
from components.settings import Settings, load, load_overlay
from components.targets.docker.container import Names, job_arguments
from components.targets.docker.daemon import Daemon
from components.workload import FILES_DIRECTORY, RUN_AS, Resources, Scratch, Workload
from ops import docker_client, inside, keys, recovery
from ops.errors import UserError
from ops.inside import Unreachable
from ops.machine import Machine, write_private
from ops.prometheus import Prometheus
from ops.pulumi_cli import Pulumi

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
        recovery.wait_healthy(self.container(workload))

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
        return PrometheusFiles(self)


class PrometheusFiles:
    """The files of the stack's Prometheus, changed for a time and put back byte by byte.

    What they were is kept on disk meanwhile: a drill that is killed is put right by the next one.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._kept = scene.machine.directory / "drill-files.json"
        self._holder = scene.names.files(prometheus.NAME)

    def read(self) -> dict[str, str]:
        """What they are, by name."""
        chunks, _ = self._scene.client.api.get_archive(self._holder, f"{FILES_DIRECTORY}/.")
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
            return {
                info.name.removeprefix("./"): content.read().decode()
                for info in tar
                if info.isreg() and (content := tar.extractfile(info))
            }

    def originals(self) -> dict[str, str]:
        """What the deployment wrote."""
        if self._kept.exists():
            found: dict[str, str] = json.loads(self._kept.read_text())
            return found
        return self.read()

    def write(self, files: Mapping[str, str]) -> None:
        """Change them, and have Prometheus read them. Raises UserError when it does not take them."""
        if not self._kept.exists():
            write_private(self._kept, json.dumps(self.read()))
        self._put(files)

    def restore(self) -> None:
        """Put back what the deployment wrote; nothing to do when nothing was changed."""
        if not self._kept.exists():
            return
        self._put(json.loads(self._kept.read_text()))
        self._kept.unlink()

    def _put(self, files: Mapping[str, str]) -> None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for name, text in files.items():
                info = tarfile.TarInfo(name)
                data = text.encode()
                info.size, info.mode, info.uid, info.gid = len(data), 0o400, RUN_AS, RUN_AS
                tar.addfile(info, io.BytesIO(data))
        self._scene.client.api.put_archive(self._holder, FILES_DIRECTORY, buffer.getvalue())
        asked = time.time()
        daemon = Daemon()
        daemon.client = self._scene.client
        daemon.signal(self._scene.names.container(prometheus.NAME), "SIGHUP")
        self._taken(asked)

    def _taken(self, asked: float) -> None:
        end = time.monotonic() + 90
        url = f"http://127.0.0.1:{prometheus.PORT}/metrics"
        while time.monotonic() < end:
            try:
                text = self._scene.inside.get(url)
            except Unreachable:
                text = ""
            told = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("prometheus_config_last"))
            if float(told.get("prometheus_config_last_reload_success_timestamp_seconds", 0)) >= asked - 1:
                return
            time.sleep(1)
        raise UserError(
            "Prometheus did not take the drill's times",
            harm="alerts would take minutes, and the drill is over",
            fix=f"docker logs {self._scene.names.container(prometheus.NAME)} says why",
        )
