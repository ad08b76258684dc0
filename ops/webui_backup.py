"""`make backup-webui` and `make restore-webui`: what Open WebUI keeps, in one file on this machine and back again."""

from __future__ import annotations

import json
import os
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console

from components.catalog import catalog
from components.settings import Settings, load, load_overlay
from components.targets.docker.container import Mount, Names
from components.targets.docker.daemon import Daemon, JobFailed
from components.webui import WebUi, archive
from components.webui.workload import NAME, data_volume
from components.workload import FILES_DIRECTORY, RUN_AS, File, Resources, Scratch, Workload
from ops import docker_client, docker_exec, health, webui
from ops.errors import UserError
from ops.machine import STATE_DIRECTORY, Machine
from ops.stopping import stop

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

SCRIPT = Path(archive.__file__).read_text(encoding="utf-8")


def backup(stack: str, file: Path | None, console: Console) -> Path:
    """Write accounts, chats and files of the running page to `file`, readable by its owner only. Raises UserError.

    Without a file it is a new one below .slm/backups, which no `make down` touches.
    """
    machine = Machine(stack)
    with machine.lock(f"make backup-webui STACK={stack}"):
        webui.described(machine)
        client = docker_client.of(_settings(machine))
        return _backup(client, machine, file, console)


def restore(stack: str, file: Path | None, console: Console) -> None:
    """Put a backup in place of what the page keeps now, the newest one without `file`. Raises UserError.

    The page stands still meanwhile. What it keeps now is backed up first.
    """
    machine = Machine(stack)
    with machine.lock(f"make restore-webui STACK={stack}"):
        page = webui.described(machine)
        settings = _settings(machine)
        chosen = file or newest(_folder(machine))
        if chosen is None or not chosen.is_file():
            what = f"there is no backup {chosen}" if chosen else f"there is no backup in {_folder(machine)}"
            raise UserError(what, harm="nothing was changed", fix=f"make restore-webui STACK={stack} FILE=path")
        check_version(chosen, version())
        client = docker_client.of(settings)
        container = _container(client, machine)
        if container.status == "running":
            _backup(client, machine, _dated(machine, "before-restore"), console)
        stop(container)
        try:
            manifest = place_archive(client, machine, page, settings, chosen)
        finally:
            container.start()
        container.reload()
        if not health.wait_healthy(container, ask=True):
            raise UserError(
                f"{container.name} ends again and again with the restored data",
                harm="the page does not run",
                fix=f"docker logs {container.name} says why; make restore-webui STACK={stack} FILE=another backup",
            )
        console.print(f"  restored from {chosen}: {told(manifest)}")
        console.print("  accounts have the passwords they had then")


def newest(folder: Path) -> Path | None:
    """The youngest backup in a folder by its name, or None."""
    return max(folder.glob("webui-*.tar.gz"), default=None)


def check_version(file: Path, runs: str) -> None:
    """Raise UserError for what is no backup, and for one that a newer Open WebUI than `runs` has written."""
    try:
        with tarfile.open(file, mode="r|gz") as tar:
            first = tar.next()
            content = tar.extractfile(first) if first and first.name == archive.MANIFEST else None
            if content is None:
                raise ValueError("its first entry is no manifest")
            made_by = str(json.loads(content.read(1_000_000))["open_webui"])
            newer = numbers(made_by) > numbers(runs)
    except (tarfile.TarError, OSError, EOFError, ValueError, KeyError, TypeError) as error:
        fix = "give a file that make backup-webui wrote"
        raise UserError(f"{file} is no backup: {error}", harm="nothing was changed", fix=fix) from None
    if newer:
        raise UserError(
            f"{file} was written by Open WebUI {made_by}, and {runs} runs here",
            harm="an older version cannot read a newer one's database; nothing was changed",
            fix="update this checkout and make up, then restore",
        )


def version() -> str:
    """The version of Open WebUI this checkout deploys."""
    return str(catalog().images["webui"].tag).removeprefix("v")


def numbers(version: str) -> tuple[int, ...]:
    """`0.12.4` as numbers. Raises ValueError."""
    return tuple(int(part) for part in version.split("."))


def told(manifest: dict[str, Any]) -> str:
    """What a backup holds, for a person."""
    rows = manifest["rows"]
    return f"{rows['user']} accounts, {rows['chat']} chats, {manifest['uploads']} files of {manifest['made']}"


def _settings(machine: Machine) -> Settings:
    return load(machine.stack, machine.project, load_overlay(machine.config_path))


def _folder(machine: Machine) -> Path:
    return machine.project / STATE_DIRECTORY / "backups" / machine.stack


def _dated(machine: Machine, what: str) -> Path:
    _folder(machine).mkdir(parents=True, exist_ok=True, mode=0o700)
    return _folder(machine) / f"{what}-{datetime.now(UTC):%Y%m%d-%H%M%S}.tar.gz"


def _container(client: DockerClient, machine: Machine) -> Container:
    import docker.errors

    try:
        return client.containers.get(Names(machine.stack).container(NAME))
    except docker.errors.NotFound:
        raise UserError(
            f"the web page of stack '{machine.stack}' is not deployed",
            harm="nothing was changed",
            fix=f"make up STACK={machine.stack}",
        ) from None


def _backup(client: DockerClient, machine: Machine, file: Path | None, console: Console) -> Path:
    container = _container(client, machine)
    if container.status != "running":
        raise UserError(
            f"{container.name} does not run", harm="nothing was saved", fix=f"make up STACK={machine.stack}"
        )
    file = file or _dated(machine, "webui")
    part = file.with_name(f".{file.name}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            manifest = write_archive(container, out)
        part.replace(file)
    except OSError as error:
        raise UserError(
            f"{file} cannot be written: {error.strerror}", harm="there is no backup", fix="give another FILE"
        ) from None
    finally:
        part.unlink(missing_ok=True)
    size = file.stat().st_size / 1e6
    console.print(f"  saved {told(manifest)} to {file} ({size:.1f} MB; whoever can read it can read every chat)")
    return file


def write_archive(container: Container, out: IO[bytes]) -> dict[str, Any]:
    """Write what the running page keeps; gives the manifest. Raises UserError."""
    command = ["python3", "-c", SCRIPT, "write", version()]
    running = docker_exec.Running(container, command)
    said = b""
    for stream, piece in running:
        if stream == docker_exec.STDOUT:
            out.write(piece)
        else:
            said += piece
    if running.exit_code() != 0:
        last = said.decode(errors="replace").strip().rpartition("\n")[2]
        raise UserError(
            f"the backup failed: {last}", harm="there is no new backup", fix="free space where Docker keeps volumes"
        )
    manifest: dict[str, Any] = json.loads(said.decode().strip().rpartition("\n")[2])
    return manifest


def place_archive(
    client: DockerClient, machine: Machine, page: WebUi, settings: Settings, file: Path
) -> dict[str, Any]:
    """Hand the archive to a job that has nothing but the volume, and let it check and place it. Raises UserError."""
    names, volume = Names(machine.stack), data_volume(page)
    physical = names.volume(volume.name)
    job = Workload(
        name=f"{NAME}-restore",
        image=settings.images["webui"],
        command=("python3", f"{FILES_DIRECTORY}/archive.py"),
        args=("place",),
        files=(File(name="archive.py", content=SCRIPT),),
        scratch=(Scratch(path="/tmp", size_mib=16),),  # noqa: S108
        resources=Resources(memory_mib=512, cpus=1, pids=32),
    )
    lines: list[str] = []
    _put(client, names, job, physical, volume.path, file)
    daemon = Daemon()
    daemon.client = client
    try:
        daemon.run_job(
            job, names, [Mount(physical, volume.path, False)], None, lambda _job, line: lines.append(line), {}
        )
    except JobFailed:
        reason = lines[-1] if lines else "it said nothing"
        raise UserError(
            f"{file} was not restored: {reason}",
            harm="the page goes on with what it had",
            fix="give another FILE; each backup is checked before anything is replaced",
        ) from None
    manifest: dict[str, Any] = json.loads(lines[-1])
    return manifest


def _put(client: DockerClient, names: Names, job: Workload, volume: str, path: str, file: Path) -> None:
    """Copy a file into a volume without any process running, as the page's own user."""
    holder = client.api.create_container(
        job.image,
        entrypoint=["true"],
        labels=names.transient(job.name),
        host_config=client.api.create_host_config(
            binds={volume: {"bind": path, "mode": "rw"}}, cap_drop=["ALL"], network_mode="none"
        ),
    )
    try:
        with tempfile.TemporaryFile(dir=file.parent) as packed, file.open("rb") as content:
            with tarfile.open(fileobj=packed, mode="w") as tar:
                info = tarfile.TarInfo(archive.INCOMING)
                info.size, info.mode, info.uid, info.gid = file.stat().st_size, 0o600, RUN_AS, RUN_AS
                tar.addfile(info, content)
            packed.seek(0)
            client.api.put_archive(holder["Id"], path, packed)
    finally:
        client.api.remove_container(holder["Id"], v=False, force=True)
