"""A stack under test: a copy of the project with a stack of its own, driven through the commands a person types."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import docker
import httpx
import yaml
from docker.models.containers import Container

STACK_LABEL = "slm.stack"
ANY_STACK: dict[str, Any] = {"label": STACK_LABEL}
TEST_PREFIX = "test-"
"""Every stack of a test has it, so that what a killed run has left can be told from a person's stacks."""

PROJECT = Path(__file__).resolve().parents[2]
# With its bytecode: every copy would compile the project again.
NOT_COPIED = shutil.ignore_patterns(
    ".venv", ".git", ".slm", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"
)


PORTS = range(13000, 20000)
"""Below those that the kernel gives to whoever opens a connection, and below those of review stacks."""

PROCESSES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""Of the processes that test at once each takes other ports."""

_given: set[int] = set()


def free_port() -> int:
    """A port nobody listens on right now, and that nobody else takes until a stack is up on it, minutes later."""
    while True:
        port = secrets.choice(PORTS[PROCESS::PROCESSES])
        if port in _given:
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return port


@dataclass
class Project:
    """A copy of the checkout in which one stack of this name lives; `description` is its Pulumi.<stack>.yaml."""

    folder: Path
    stack: str
    port: int = field(default_factory=free_port)
    first_up: Finished | None = None
    """What the `up` that made it printed."""

    @classmethod
    def copy(cls, folder: Path, stack: str, like: str = "dev", *, monitored: bool = False) -> Project:
        """Copy the checkout as it is, with a stack described as `like`, of a name that begins with `test-`, and another
        port. Its monitoring, a dozen containers, comes only with `monitored`."""
        assert stack.startswith(TEST_PREFIX), stack
        shutil.copytree(PROJECT, folder, ignore=NOT_COPIED, symlinks=True)
        (folder / ".venv").symlink_to(PROJECT / ".venv")
        project = cls(folder, stack)
        shutil.copy(folder / f"Pulumi.{like}.yaml", project.file)
        project.change({"slm:gateway": {"port": project.port}})
        if not monitored:
            project.drop("slm:monitoring")
        return project

    @property
    def file(self) -> Path:
        return self.folder / f"Pulumi.{self.stack}.yaml"

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def change(self, values: Mapping[str, Any]) -> None:
        """Lay values over the stack's description."""
        document = yaml.safe_load(self.file.read_text())
        for key, value in values.items():
            now = document["config"].get(key)
            document["config"][key] = _merged(now, value)
        self.file.write_text(yaml.safe_dump(document, sort_keys=False))

    def drop(self, key: str) -> None:
        """Take a key out of the stack's description."""
        document = yaml.safe_load(self.file.read_text())
        document["config"].pop(key, None)
        self.file.write_text(yaml.safe_dump(document, sort_keys=False))

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start `python -m ops …` on this stack in a process group of its own, as a terminal would."""
        return subprocess.Popen(
            [sys.executable, "-m", "ops", *arguments, "--stack", self.stack],
            cwd=self.folder,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def ops(self, *arguments: str, environment: Mapping[str, str] | None = None, timeout: float = 600) -> Finished:
        """Run `python -m ops …` on this stack to its end."""
        process = self.start(*arguments, environment=environment)
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            raise AssertionError(f"{arguments} did not end in {timeout} s; it said:\n{output}") from None
        return Finished(process.returncode, output)

    def pulumi(self, *arguments: str, timeout: float = 300) -> Finished:
        """Run plain `pulumi …`, in the environment that `make env` prints."""
        done = subprocess.run(
            ["pulumi", *arguments, "-s", self.stack, "--non-interactive"],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return Finished(done.returncode, done.stdout + done.stderr)

    @cached_property
    def environment(self) -> dict[str, str]:
        """What `make -s env` exports for this stack, asked once: it is the same all its life."""
        printed = self.ops("env").must_succeed().output
        lines = subprocess.run(
            ["bash", "-c", f"{printed}\nenv -0"], capture_output=True, text=True, check=True
        ).stdout.split("\0")
        names = {line.split("=", 1)[0].removeprefix("export ") for line in printed.splitlines()}
        return {k: v for k, _, v in (line.partition("=") for line in lines) if k in names}

    def keys(self) -> dict[str, str]:
        """The stack's API keys in the clear."""
        done = self.pulumi("config", "get", "slm:apiKeys").must_succeed()
        keys: dict[str, str] = json.loads(done.output)
        return keys

    def request(self, method: str, path: str, key: str | None = None, **options: Any) -> httpx.Response:
        """Ask the gateway; `path` starts below its root."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        url = f"http://127.0.0.1:{self.port}{path}"
        return httpx.request(method, url, headers=headers, timeout=120, trust_env=False, **options)

    def containers(self, *, everything: bool = False) -> dict[str, Container]:
        """This stack's containers by workload: those that run, or all."""
        client = docker.from_env()
        try:
            # A command that runs meanwhile may remove what was just listed.
            found = client.containers.list(
                all=everything, filters={"label": f"slm.stack={self.stack}"}, ignore_removed=True
            )
            return {str(c.name).removeprefix(f"slm-{self.stack}-"): c for c in found}
        finally:
            client.close()

    def leftovers(self) -> list[str]:
        """Containers and networks of this stack that exist, running or not."""
        client = docker.from_env()
        try:
            found = client.containers.list(all=True, filters={"label": f"slm.stack={self.stack}"}, ignore_removed=True)
            networks = client.networks.list(filters={"label": f"slm.stack={self.stack}"})
            return [str(c.name) for c in found] + [str(n.name) for n in networks]
        finally:
            client.close()


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    code: int
    output: str

    def must_succeed(self) -> Finished:
        """Itself, or a failed test showing what the command said."""
        assert self.code == 0, f"exit code {self.code}:\n{self.output}"
        return self

    def must_fail(self, *words: str) -> Finished:
        """Itself when it failed on one screen, without a traceback, with these words; otherwise a failed test."""
        assert self.code != 0, f"it should have failed:\n{self.output}"
        assert "Traceback" not in self.output, self.output
        assert len(self.output.splitlines()) <= 40, f"more than a screen:\n{self.output}"
        for word in words:
            assert word in self.output, f"'{word}' is not in:\n{self.output}"
        return self


def remove_stacks(chosen: Callable[[str], bool]) -> None:
    """Remove everything that belongs to the stacks whose name is chosen, without their own commands."""
    client = docker.from_env()
    try:
        for container in client.containers.list(all=True, filters=ANY_STACK, ignore_removed=True):
            if chosen(container.labels[STACK_LABEL]):
                container.remove(force=True)
        for network in client.networks.list(filters=ANY_STACK):
            if chosen(network.attrs["Labels"][STACK_LABEL]):
                network.remove()
        for volume in client.volumes.list(filters=ANY_STACK):
            if chosen(volume.attrs["Labels"][STACK_LABEL]):
                volume.remove(force=True)
    finally:
        client.close()


def _merged(now: Any, value: Any) -> Any:
    if isinstance(now, dict) and isinstance(value, dict):
        return {**now, **{k: _merged(now.get(k), v) for k, v in value.items()}}
    return value
