"""Runs a workload's job or service in a real container with every restriction of the Docker target, without Pulumi."""

from __future__ import annotations

import io
import os
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import docker
import docker.errors
from docker.models.containers import Container

from components.workload import FILES_DIRECTORY, RUN_AS, Workload

SECOND = 1_000_000_000
PREFIX = f"slmtest-{os.getpid()}"
"""Two test runs on one engine must not take each other's things."""


@contextmanager
def volume(
    client: docker.DockerClient,
    name: str,
    image: str,
    path: str,
    owner: tuple[int, int] = (RUN_AS, RUN_AS),
    **options: Any,
) -> Iterator[str]:
    """A volume that belongs to the workloads' user, removed at the end."""
    client.volumes.create(name, **options)
    holder = client.containers.create(image, entrypoint=["true"], volumes={name: {"bind": path, "mode": "rw"}})
    try:
        holder.put_archive("/", _tar({path.lstrip("/"): None}, owner))
        holder.remove()
        yield name
    finally:
        remove_volume(client, name)


def remove_volume(client: docker.DockerClient, name: str) -> None:
    for container in client.containers.list(all=True, filters={"volume": name}):
        container.remove(force=True)
    with suppress(docker.errors.NotFound):
        client.volumes.get(name).remove(force=True)


@contextmanager
def container(
    client: docker.DockerClient, workload: Workload, name: str, volumes: dict[str, str], network: str, **more: Any
) -> Iterator[Container]:
    """The workload's container, created and not started; `volumes` gives the real name of each of its volumes."""
    resources, probe, files = workload.resources, workload.probe, f"{name}-files"
    owner = (workload.user, workload.group)
    remove_volume(client, files)
    with volume(client, files, workload.image, FILES_DIRECTORY, owner):
        mounts = {
            volumes[v.name]: {"bind": v.path, "mode": "ro" if v.read_only else "rw"} for v in workload.volumes
        } | {files: {"bind": FILES_DIRECTORY, "mode": "ro"}}
        holder = client.containers.create(
            workload.image, entrypoint=["true"], volumes={files: {"bind": FILES_DIRECTORY, "mode": "rw"}}
        )
        holder.put_archive(FILES_DIRECTORY, _tar({f.name: f.content for f in workload.files}, owner))
        holder.remove()
        created = client.containers.create(
            workload.image,
            list(workload.args) or None,
            entrypoint=list(workload.command) or None,
            name=name,
            environment=dict(workload.env),
            user=f"{workload.user}:{workload.group}",
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            tmpfs={
                s.path: f"rw,nosuid,size={s.size_mib}m,uid={workload.user},mode=0700"
                + (",exec" if s.executable else ",noexec")
                for s in workload.scratch
            },
            shm_size=f"{resources.shm_mib}m",
            mem_limit=f"{resources.memory_mib}m",
            memswap_limit=f"{resources.memory_mib}m",
            nano_cpus=int(resources.cpus * SECOND),
            pids_limit=resources.pids,
            network=network,
            volumes=mounts,
            healthcheck={
                "test": ["CMD", *probe.command],
                "interval": probe.interval * SECOND,
                "timeout": probe.timeout * SECOND,
                "retries": probe.retries,
                "start_period": probe.startup * SECOND,
            }
            if probe
            else None,
            **more,
        )
        try:
            yield created
        finally:
            created.remove(force=True)


def run_job(client: docker.DockerClient, job: Workload, volumes: dict[str, str], network: str) -> tuple[int, str, str]:
    """Run a job to its end: exit code, standard output, standard error."""
    with container(client, job, f"{PREFIX}-{job.name}", volumes, network) as created:
        created.start()
        # A conversion takes three minutes, and many times that on a busy machine.
        code = int(created.wait(timeout=1500)["StatusCode"])
        return code, created.logs(stderr=False).decode(), created.logs(stdout=False).decode()


def health(running: Container, wanted: str, seconds: float) -> float:
    """Wait until the container's health is the wanted one and give the seconds it took. Fails the test otherwise."""
    started = time.monotonic()
    while (now := _status(running)) != wanted:
        assert time.monotonic() - started < seconds, f"health is {now} after {seconds} s; {_log(running)}"
        time.sleep(0.2)
    return time.monotonic() - started


def probed_again(running: Container, seconds: float) -> None:
    """Wait until a probe that Docker itself began after this call has ended. Fails the test otherwise."""
    now = datetime.now(UTC)
    end = time.monotonic() + seconds
    while not any(datetime.fromisoformat(probe["Start"]) > now for probe in _probes(running)):
        assert time.monotonic() < end, f"Docker has not probed for {seconds} s; {_log(running)}"
        time.sleep(0.2)


def _probes(running: Container) -> list[dict[str, Any]]:
    running.reload()
    probes: list[dict[str, Any]] = running.attrs["State"]["Health"]["Log"]
    return probes


def _status(running: Container) -> str:
    running.reload()
    return str(running.attrs["State"]["Health"]["Status"])


def _log(running: Container) -> str:
    return f"probe: {running.attrs['State']['Health']['Log'][-1:]}; log: {running.logs(tail=5).decode()}"


def _tar(entries: dict[str, str | None], owner: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            data = (content or "").encode()
            info.uid, info.gid = owner
            info.type, info.mode = (tarfile.DIRTYPE, 0o750) if content is None else (tarfile.REGTYPE, 0o400)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def fails_without_a_note(container: Container, probe: list[str]) -> bool:
    """Whether a probe fails and notes no answer. The container's own probe, which notes one, may come in between."""
    for _ in range(5):
        container.exec_run(["rm", "-f", "/tmp/answered"])
        failed = container.exec_run(probe).exit_code != 0
        if failed and container.exec_run(["test", "-e", "/tmp/answered"]).exit_code != 0:
            return True
    return False
