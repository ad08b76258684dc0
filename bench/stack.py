"""A stack of its own to measure: a copy of the program in a temporary folder, images and weights seeded beforehand."""

from __future__ import annotations

import shutil
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import yaml
from rich.console import Console

from components import plan
from components.gateway import key_map
from components.settings import Settings, load
from components.targets.docker.container import Names
from components.workload import Workload
from ops import docker_client
from ops.errors import UserError
from ops.failures import explain
from ops.local_weights import bring
from ops.machine import PROJECT, Machine
from ops.pulumi_cli import Pulumi
from ops.secrets import keys
from ops.smoke import ask
from ops.up import check_host, prepare

if TYPE_CHECKING:
    from docker import DockerClient

OURS, PLAIN = "bench", "bench-plain"
"""The names of the stack measured and of the same containers started by hand. Everything under them is removed."""


@dataclass
class Bench:
    """The stack, ready to be deployed again and again."""

    folder: Path
    settings: Settings
    pulumi: Pulumi
    keys: dict[str, str]

    @classmethod
    def seeded(cls, folder: Path, described_by: str, console: Console) -> Bench:
        """Make it after the description of another stack, with every image in the Docker engine. Raises UserError."""
        if not (PROJECT / f"Pulumi.{described_by}.yaml").exists():
            raise UserError(f"there is no stack '{described_by}' to measure", fix="STACK=dev")
        shutil.copytree(PROJECT / "components", folder / "components", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("Pulumi.yaml", "__main__.py"):
            shutil.copy(PROJECT / name, folder)
        (folder / ".venv").symlink_to(PROJECT / ".venv")
        document = yaml.safe_load((PROJECT / f"Pulumi.{described_by}.yaml").read_text())
        document["config"]["slm:gateway"]["port"] = free_port()
        (folder / f"Pulumi.{OURS}.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
        machine = Machine(OURS, folder)
        settings = load(OURS, folder, {})
        settings.require_deployable(OURS)
        client = docker_client.of(settings)
        check_host(client, machine, settings)
        settings = prepare(client, machine, settings, console)
        pulumi = Pulumi(machine)
        pulumi.ensure_stack()
        bench = cls(folder, settings, pulumi, keys.ensure(pulumi))
        for name in settings.hosted:
            seed_weights(client, bench.workloads()[name], settings.images["fetch"])
        bring(client, OURS, settings, console)
        return bench

    def workloads(self) -> dict[str, Workload]:
        """What the program declares, by name: the engines and the gateway."""
        settings = self.settings
        found = {name: settings.workload_of(name) for name in settings.hosted}
        names = Names(OURS)
        routes = [plan.route(settings, name, names) for name in settings.hosted]
        return found | {"gateway": plan.gateway(settings, routes, names).workload}

    def files(self, workload: Workload) -> dict[str, str]:
        """The files a workload is given, secrets included, by name."""
        secrets = {secret.name: key_map(self.keys) for secret in workload.secrets if secret.name == "keys.map"}
        if missing := {secret.name for secret in workload.secrets} - set(secrets):
            raise UserError(f"a stack with {', '.join(missing)} cannot be measured", fix="STACK=dev")
        return {file.name: file.content for file in workload.files} | secrets

    def up(self) -> float:
        """Deploy with the Pulumi command line and ask; seconds until the first token. Raises UserError."""
        began = time.perf_counter()
        self._apply("up", "--skip-preview")
        return self.first_token_since(began)

    def down(self) -> None:
        """Remove all but the weights. Raises UserError."""
        self._apply("destroy")

    def preview(self) -> float:
        """Seconds that a preview without changes takes. Raises UserError when it has changes."""
        return preview(self.pulumi, "--expect-no-changes")

    def first_token_since(self, began: float) -> float:
        """Ask the model; seconds from `began` (time.perf_counter) to its first token. Raises UserError."""
        model = next(iter(self.settings.hosted.values())).served_name
        answer = ask(self.settings.gateway.endpoint, keys.current(self.keys), model)
        if not answer.text:
            raise UserError(f"model '{model}' answered with nothing", harm="there is no first token to measure")
        # The rest of the answer is no part of it.
        return time.perf_counter() - began - (answer.total - answer.first)

    def _apply(self, *arguments: str) -> None:
        result = self.pulumi.run(*arguments, "-s", OURS, "--yes", "--color", "never")
        if result.code:
            raise explain(OURS, arguments[0], result.output)


def preview(pulumi: Pulumi, *arguments: str) -> float:
    """Seconds that a preview takes. Raises UserError when it fails."""
    began = time.perf_counter()
    pulumi.check("preview", "-s", pulumi.machine.stack, "--color", "never", *arguments)
    return time.perf_counter() - began


def empty_program(folder: Path) -> Pulumi:
    """An empty Python program with the same command line, environment and kind of state, its stack made."""
    folder.mkdir()
    runtime = {"name": "python", "options": {"virtualenv": ".venv"}}
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "slm", "runtime": runtime}))
    (folder / "__main__.py").write_text('"""Nothing."""\n')
    (folder / ".venv").symlink_to(PROJECT / ".venv")
    pulumi = Pulumi(Machine("empty", folder))
    pulumi.ensure_stack()
    return pulumi


def seed_weights(client: DockerClient, workload: Workload, image: str) -> None:
    """Copy the weights from another stack's volume on this machine; without one, the first `up` fetches them.

    Whatever is copied, the fetch job checks it as it checks any other weights it finds.
    """
    for volume in workload.volumes:
        name = Names(OURS).volume(volume.name)
        others = [v.name for v in client.volumes.list() if v.name.endswith(f"-{volume.name}") and v.name != name]
        for other in sorted(others):
            client.volumes.create(name=name, labels=Names(OURS).labels(workload.name))
            mounts = {other: {"bind": "/from", "mode": "ro"}, name: {"bind": "/to", "mode": "rw"}}
            with suppress(docker.errors.APIError, docker.errors.ContainerError):
                client.containers.run(
                    image,
                    ["-a", "/from/.", "/to"],
                    entrypoint=["cp"],
                    user="0",
                    network_mode="none",
                    cap_drop=["ALL"],
                    cap_add=["CHOWN", "DAC_OVERRIDE", "FOWNER"],
                    volumes=mounts,
                    labels=Names(OURS).labels("seed"),
                    remove=True,
                )
                break


def remove_all(client: DockerClient) -> None:
    """Remove everything that carries one of this program's stack names, and nothing else."""
    for stack in (OURS, PLAIN):
        label: dict[str, Any] = {"label": f"slm.stack={stack}"}
        for container in client.containers.list(all=True, filters=label):
            container.remove(force=True, v=True)
        for network in client.networks.list(filters=label):
            network.remove()
        for volume in client.volumes.list(filters=label):
            volume.remove(force=True)


def free_port() -> int:
    """A port of the loopback address nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
