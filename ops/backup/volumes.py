"""Content of volumes out of a Docker engine and into it, while nothing runs that writes them."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from components.targets.docker.container import Mount, Names
from components.targets.docker.daemon import Daemon, JobFailed
from components.workload import FILES_DIRECTORY, RUN_AS, File, Resources, Workload
from ops import health
from ops.errors import UserError
from ops.stopping import stop

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

INCOMING = ".restore"
"""A folder in the volume: what is put back lies beside what is there until all of it has arrived."""

PLACE = f"""set -eu
cd "$1"
find . -mindepth 1 -maxdepth 1 ! -name {INCOMING} -exec rm -rf -- {{}} +
find {INCOMING} -mindepth 1 -maxdepth 1 -exec mv -t . -- {{}} +
rmdir {INCOMING}
"""
CHUNK = 2**20
PATIENCE = 600.0
"""Seconds in which a lost connection may come back; a container that was stopped for a copy starts by nobody else."""

AGAIN = 2.0
"""Seconds between two tries."""


class Volumes:
    """The volumes of a stack on one Docker engine. `image` has Bash, for the one thing that needs a program.

    `connect` makes a connection to the engine, and another one where it was lost; it raises UserError.
    """

    def __init__(self, connect: Callable[[], DockerClient], stack: str, image: str) -> None:
        self._connect, self._names, self._image = connect, Names(stack), image
        self.client = connect()

    def container(self, workload: str) -> Container:
        """The workload's container, running or not. Raises UserError when it is not deployed."""
        import docker.errors

        try:
            return self.client.containers.get(self._names.container(workload))
        except docker.errors.NotFound:
            raise UserError(
                f"{workload} of stack '{self._names.stack}' is not deployed",
                harm="nothing was changed",
                fix=f"make up STACK={self._names.stack}",
            ) from None

    @contextmanager
    def standing_still(self, workload: str) -> Iterator[Container]:
        """The workload's container, stopped; it runs again afterwards, and is healthy, if it ran before."""
        container = self.container(workload)
        ran = container.status == "running"
        # Its own limit is how long it may take to write everything down.
        stop(container, unsaid=60)
        try:
            yield container
        finally:
            if ran:
                container = self._started(container, workload)
        if ran:
            container.reload()
            health.wait_healthy(container, ask=True)

    def _started(self, container: Container, workload: str) -> Container:
        """Start it, by another connection where the one to its host was lost meanwhile. Raises UserError."""
        from requests import ConnectionError as Cut
        from requests import Timeout

        end = time.monotonic() + PATIENCE
        while True:
            try:
                container.start()
                return container
            except (Cut, Timeout) as error:
                if time.monotonic() > end:
                    raise UserError(
                        f"the connection to the Docker engine was lost and did not come back in {PATIENCE:.0f} s",
                        harm=f"{container.name} stands still",
                        fix=f"on its host: docker start {container.name}",
                    ) from error
            time.sleep(AGAIN)
            with suppress(Cut, Timeout, UserError):
                self.client = self._connect()
                container = self.container(workload)

    def content(self, container: Container, path: str) -> Iterator[bytes]:
        """All that is in the volume at `path`, as an archive that begins in the volume's own root."""
        chunks, _ = self.client.api.get_archive(str(container.id), f"{path}/.", chunk_size=CHUNK)
        yield from chunks

    def replace(self, container: Container, volume: str, path: str, content: IO[bytes]) -> None:
        """Put an archive in place of all that the volume has. Raises UserError; the volume is then as it was."""
        import docker.errors

        api: Any = self.client.api
        self._clear(volume, path)
        api.put_archive(container.id, path, _folder(INCOMING))
        try:
            api.put_archive(container.id, f"{path}/{INCOMING}", iter(partial(content.read, CHUNK), b""))
        except docker.errors.APIError as error:
            self._clear(volume, path)
            raise UserError(
                f"volume {self._names.volume(volume)} does not take the backup: {error.explanation or error}",
                harm=f"{container.name} goes on with what it had",
                fix="free space where Docker keeps volumes, then run the command again",
            ) from None
        self._run("place", PLACE, volume, path)

    def put(self, workload: str, volume: str, path: str, name: str, text: str) -> None:
        """Write one small file into a volume that the workload itself mounts for reading only."""
        image = self.container(workload).attrs["Image"]
        holder = self.client.api.create_container(
            image,
            entrypoint=["true"],
            labels=self._names.transient(workload),
            host_config=self.client.api.create_host_config(
                binds={self._names.volume(volume): {"bind": path, "mode": "rw"}}, cap_drop=["ALL"], network_mode="none"
            ),
        )
        try:
            self.client.api.put_archive(holder["Id"], path, _file(name, text.encode()))
        finally:
            self.client.api.remove_container(holder["Id"], v=False, force=True)

    def _clear(self, volume: str, path: str) -> None:
        """Take away what an earlier attempt that was killed, or this one, has left of its own."""
        self._run("clear", f'set -eu\nrm -rf -- "$1/{INCOMING}"\n', volume, path)

    def _run(self, what: str, script: str, volume: str, path: str) -> None:
        job = Workload(
            name=f"restore-{what}",
            image=self._image,
            command=("bash", f"{FILES_DIRECTORY}/{what}.sh"),
            args=(path,),
            files=(File(name=f"{what}.sh", content=script),),
            resources=Resources(memory_mib=64, cpus=1, pids=16),
        )
        daemon = Daemon()
        daemon.client = self.client
        mounted = [Mount(self._names.volume(volume), path, read_only=False)]
        try:
            daemon.run_job(job, self._names, mounted, None, lambda _job, _line: None, {})
        except JobFailed as error:
            raise UserError(
                f"volume {self._names.volume(volume)} was not replaced: {error}",
                harm="what it holds may be incomplete",
                fix="free space where Docker keeps volumes, then run the command again",
            ) from None


def _folder(name: str) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.uid, info.gid = tarfile.DIRTYPE, 0o750, RUN_AS, RUN_AS
    return _archive(info, b"")


def _file(name: str, content: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.uid, info.gid = len(content), 0o444, RUN_AS, RUN_AS
    return _archive(info, content)


def _archive(info: tarfile.TarInfo, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
