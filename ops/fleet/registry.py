"""The registry on this machine from which edge hosts get the images that were built here, layer by layer."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import httpx

from ops.errors import UserError
from ops.fleet.registry_steps import Offer, publish_steps
from tools.installer import Installer

if TYPE_CHECKING:
    from docker import DockerClient

LOOPBACK = "127.0.0.1"
START = 30.0
"""Seconds until it answers."""

STOP = 10.0
"""Seconds it gets to end."""

TAG = "pushed"


class Registry:
    """Runs for a `with` block, on a free port of this machine's loopback. `folder` keeps the layers for the next time.

    With `read_only` it takes nothing: that is how it is shown to hosts, where every user may talk to its port.
    """

    def __init__(self, folder: Path, *, read_only: bool = False, program: Path | None = None) -> None:
        """`program` is the registry of tools/tools.toml, unless another one is named."""
        self.folder, self.read_only = folder, read_only
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def start(self) -> Self:
        """Start it and wait until it answers. Raises UserError."""
        program = self._program or _installed()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.port = _free_port()
        settings = self.folder / f"registry-{os.getpid()}-{self.port}.json"  # JSON is YAML as well
        settings.write_text(json.dumps(configuration(self.folder / "layers", self.port, self.read_only)))
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*_bound_to_parent(), str(program), "serve", str(settings)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Nothing of this process's environment may change its configuration, which REGISTRY_… variables do.
                env={"PATH": os.defpath, "OTEL_TRACES_EXPORTER": "none"},
                start_new_session=True,
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        finally:
            settings.unlink()
        return self

    def stop(self) -> None:
        """End it and wait for that. Safe at any time, any number of times."""
        if process := self._process:
            process.terminate()
            try:
                process.wait(STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def offer(self, client: DockerClient, image: str) -> Offer:
        """Take an image of this machine's engine, by its name or id, and say in which steps hosts get it.

        Layers that are here already are not taken again. Raises UserError.
        """
        if self.read_only:
            raise ValueError("a registry that is read_only takes no images")
        found = client.images.get(image)
        name = f"slm/{str(found.id).removeprefix('sha256:')[:12]}"
        repository = f"{LOOPBACK}:{self.port}/{name}"
        found.tag(repository, TAG)
        try:
            for line in client.api.push(repository, TAG, stream=True, decode=True):
                if problem := line.get("error"):
                    raise UserError(
                        f"image {image} cannot be given to the registry on this machine: {problem}",
                        harm="no host can get it",
                        fix=f"see what it says; the registry wrote to {self._log}",
                    )
        finally:
            client.api.remove_image(f"{repository}:{TAG}", noprune=True)
        with httpx.Client(base_url=f"http://{LOOPBACK}:{self.port}/v2/{name}/", timeout=60) as api:
            return publish_steps(api, name, TAG, str(found.id), tuple(found.tags))

    @property
    def _log(self) -> Path:
        return self.folder / "registry.log"

    def _wait(self) -> None:
        until = time.monotonic() + START
        while True:
            try:
                if httpx.get(f"http://{LOOPBACK}:{self.port}/v2/", timeout=2).status_code == httpx.codes.OK:
                    return
            except httpx.HTTPError:
                pass
            ended = self._process is None or self._process.poll() is not None
            if ended or time.monotonic() > until:
                tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-5:])
                raise UserError(
                    f"The registry on this machine {'ended by itself' if ended else 'does not answer'}:\n{tail}",
                    harm="no host can get an image that was built here",
                    fix=f"mend what it says; it wrote to {self._log}",
                )
            time.sleep(0.05)


def configuration(layers: Path, port: int, read_only: bool) -> dict[str, Any]:
    """The registry's settings. It listens on loopback only, and deletes nothing."""
    return {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(layers)},
            "maintenance": {"uploadpurging": {"enabled": False}, "readonly": {"enabled": read_only}},
        },
        "http": {"addr": f"{LOOPBACK}:{port}"},
    }


def _installed() -> Path:
    installer = Installer()
    program: Path = installer.folder("registry") / installer.table["registry"].executable
    if not program.exists():
        raise UserError(
            "The registry that carries images to edge hosts is not installed",
            harm="no host can get an image that was built here",
            fix="python3 tools/bootstrap.py --edge    downloads or builds it, once",
        )
    return program


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _bound_to_parent() -> list[str]:
    """Linux ends it with this process, even when that is killed: asked for by its main thread only, as it is the
    thread's end that counts."""
    setpriv = shutil.which("setpriv") if threading.current_thread() is threading.main_thread() else None
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
