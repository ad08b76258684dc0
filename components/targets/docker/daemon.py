"""What the Docker provider has no word for, done through the Docker SDK: pids limits, signals, jobs, volume owners.

The SDK is imported on first use, so that a preview that needs none of it does not pay for it.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from components.targets.docker.connection import Connection
from components.targets.docker.container import Mount as VolumeMount
from components.targets.docker.container import Names, job_arguments
from components.targets.spec import Docker
from components.workload import FILES_DIRECTORY, Volume, Workload

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

LAST_LINES = 20
Report = Callable[[str, str], None]
"""Is told the name of a job and each line it prints."""


class JobFailed(RuntimeError):
    """A job ended with another exit code than 0, or ran over its deadline. The message carries its last log lines."""


NO_SHELL = (126, 127)
"""How a command ends that cannot be run in a container."""


class Daemon:
    """One Docker engine, reached the way the provider reaches it: without a host, the environment's own."""

    def __init__(self, spec: Docker | None = None) -> None:
        self._connection = Connection(spec or Docker())

    @cached_property
    def client(self) -> DockerClient:
        """The SDK's client. Raises as `Connection.client` does."""
        return self._connection.client

    def limit_pids(self, container_id: str, pids: int) -> None:
        """Set the limit on a container's processes (control 8). It holds over restarts of the container."""
        # The SDK's own `update_container` lacks this one word of the API.
        api: Any = self.client.api
        api._raise_for_status(
            api._post_json(api._url("/containers/{0}/update", container_id), data={"PidsLimit": pids})
        )

    def signal(self, container: str, signal: str) -> bool:
        """Send a signal to a container's first process; False when there is none of that name or it does not run.

        From inside: what Docker itself has sent a signal it takes for stopped by hand, and would not start again with
        the machine. Only where an image has no shell is it sent that way.
        """
        import docker.errors

        try:
            found = self.client.containers.get(container)
            if found.exec_run(["sh", "-c", f"kill -{signal.removeprefix('SIG')} 1"]).exit_code in NO_SHELL:
                found.kill(signal=signal)
        except docker.errors.NotFound:
            return False
        except docker.errors.APIError as error:
            if error.status_code == 409:
                return False
            raise
        return True

    def own_files(self, container_id: str, user: int, group: int) -> None:
        """Make all below FILES_DIRECTORY of a container belong to a user and group: files 0400, folders 0500."""
        chunks, _ = self.client.api.get_archive(container_id, f"{FILES_DIRECTORY}/.")
        entries = []
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
            for info in tar:
                data = tar.extractfile(info)
                info.uid, info.gid, info.uname, info.gname = user, group, "", ""
                info.mode = 0o500 if info.isdir() else 0o400
                entries.append((info, data.read() if data else b""))
        self.client.api.put_archive(container_id, FILES_DIRECTORY, _archive(entries))

    def fill_volume(
        self,
        volume: Volume,
        names: Names,
        owner: Workload,
        egress_network: str,
        report: Report,
        secrets: Mapping[str, str],
    ) -> None:
        """Make the volume, give it to the owner's user, and run its jobs in order. Safe to run again at any time.

        `secrets` has the content of every secret the jobs name. Raises JobFailed with the job's last log lines.
        """
        physical = names.volume(volume.name)
        labels = names.labels(owner.name)
        self.client.volumes.create(name=physical, labels=labels)
        first = volume.fill[0] if volume.fill else owner
        self._own(physical, volume.path, first, names.transient(owner.name))
        for job in volume.fill:
            mounted = [VolumeMount(physical, volume.path, read_only=False)]
            mounted += [VolumeMount(names.volume(v.name), v.path, True) for v in job.volumes if v.name != volume.name]
            self.run_job(job, names, mounted, egress_network if job.egress else None, report, secrets)

    def _own(self, physical: str, path: str, workload: Workload, labels: Mapping[str, str]) -> None:
        # A new volume belongs to root (finding 4). Unpacking a directory entry onto its mount point changes owner and
        # mode without any process running as root.
        holder = self.client.api.create_container(
            workload.image,
            command=["true"],
            entrypoint=["true"],
            labels=dict(labels),
            host_config=self.client.api.create_host_config(
                binds={physical: {"bind": path, "mode": "rw"}}, cap_drop=["ALL"], network_mode="none"
            ),
        )
        try:
            archive = _archive([_entry(path.lstrip("/"), workload, 0o750, directory=True)])
            self.client.api.put_archive(holder["Id"], "/", archive)
        finally:
            self.client.api.remove_container(holder["Id"], v=False, force=True)

    def run_job(
        self,
        job: Workload,
        names: Names,
        mounts: list[VolumeMount],
        network: str | None,
        report: Report,
        secrets: Mapping[str, str],
    ) -> None:
        """Run a job to its end, passing each line it prints to `report`; nothing of its container stays.

        Raises JobFailed.
        """
        import docker.errors

        arguments = job_arguments(job, names, mounts, network)
        with self._container(arguments, job, files_of(job, secrets)) as container:
            container.start()
            lines: list[str] = []
            for line in _lines(container.logs(stream=True, follow=True)):
                lines = [*lines[-LAST_LINES:], line]
                report(job.name, line)
            try:
                code = int(container.wait(timeout=job.deadline)["StatusCode"])
            except docker.errors.NotFound:
                raise JobFailed(f"job '{job.name}' was stopped: the deployment was interrupted") from None
        if code != 0:
            # JSON lines are for programs; what a job says to people is what explains its failure.
            said = [line for line in lines if not line.startswith("{")] or lines
            tail = "\n  ".join(said[-LAST_LINES:])
            raise JobFailed(f"job '{job.name}' ended with exit code {code}; its last lines:\n  {tail}")

    @contextmanager
    def _container(self, arguments: dict[str, Any], job: Workload, files: Mapping[str, str]) -> Iterator[Container]:
        import docker.errors

        name = arguments["name"]
        with suppress(docker.errors.NotFound):
            # A job that was killed half-way may have left its container behind.
            self.client.containers.get(name).remove(force=True, v=True)
        volume = f"{name}-files"
        if files:
            arguments["volumes"] = {**arguments["volumes"], volume: {"bind": FILES_DIRECTORY, "mode": "rw"}}
        container = self.client.containers.create(**arguments)
        try:
            if files:
                put_files(container, job, files)
            yield container
        finally:
            # An interrupted `up` removes them too, at the same moment: not found, or "removal is in progress".
            with suppress(docker.errors.APIError):
                container.remove(force=True, v=True)
            with suppress(docker.errors.APIError):
                if files:
                    self.client.volumes.get(volume).remove(force=True)


def files_of(job: Workload, secrets: Mapping[str, str]) -> dict[str, str]:
    """The files of a job by name; `secrets` has the content of every secret that it names."""
    files = {file.name: file.content for file in job.files}
    return files | {file.name: secrets[file.secret] for file in job.secrets}


def put_files(container: Container, job: Workload, files: Mapping[str, str]) -> None:
    """Put the files of a job where it looks for them, before it starts: it alone may read them."""
    entries = [_entry(file, job, 0o400, content=content.encode()) for file, content in files.items()]
    # The daemon refuses to unpack into a read-only root; the volume's own mount point it accepts.
    container.put_archive(FILES_DIRECTORY, _archive(entries))


def _entry(
    name: str, workload: Workload, mode: int, *, directory: bool = False, content: bytes = b""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE if directory else tarfile.REGTYPE
    info.uid, info.gid, info.mode, info.size = workload.user, workload.group, mode, len(content)
    return info, content


def _archive(entries: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _lines(chunks: Any) -> Iterator[str]:
    pending = b""
    for chunk in chunks:
        *whole, pending = (pending + chunk).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)
    if pending:
        yield pending.decode(errors="replace")
