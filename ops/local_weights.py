"""Weights from a file on this machine: copied into the volume, where the fetch job checks them like any other source.

Copied rather than mounted, because the Docker engine may be another machine, and because a file that can still be
edited says nothing about what is served tomorrow.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from components.fetching import RECORDS_DIRECTORY
from components.model_sources import PathSource
from components.models import Model
from components.settings import Settings
from components.targets.docker.container import Names
from components.workload import Volume
from ops.errors import UserError

if TYPE_CHECKING:
    from docker import DockerClient

BLOCK = 1024 * 1024


def bring(client: DockerClient, stack: str, settings: Settings, console: Console) -> None:
    """Copy every model that has a `path` source into its volume, unless the volume has the model already.

    Raises UserError naming a file that cannot be read.
    """
    names = Names(stack)
    for name, engine in settings.engines.items():
        model = settings.model_of(name)
        sources = [source for source in model.sources if isinstance(source, PathSource)]
        if not sources:
            continue
        workload = engine.workload(name, model, settings.images, settings.site)
        volume = workload.volumes[0]
        with _holder(client, settings.images["fetch"], names, volume, name) as holder:
            if not _has(client, holder, f"{volume.path}/{RECORDS_DIRECTORY}/{model.file}.json"):
                _copy(client, holder, volume, model, sources[0], console, (workload.user, workload.group))


def _copy(
    client: DockerClient,
    holder: str,
    volume: Volume,
    model: Model,
    source: PathSource,
    console: Console,
    owner: tuple[int, int],
) -> None:
    path = Path(source.path)
    if not path.is_file():
        if len(model.sources) > 1:
            return  # The fetch job tries the others and says which one served.
        raise UserError(
            f"the weights of '{model.name}' are not at {path}",
            harm="there is nothing to serve, and no other source is declared",
            fix="put the file there, or declare another source under slm:models",
        )
    console.print(f"  copying {path} into volume {volume.name}")
    client.api.put_archive(holder, volume.path, _archive(path, f"{RECORDS_DIRECTORY}/incoming/{model.file}", owner))


@contextmanager
def _holder(client: DockerClient, image: str, names: Names, volume: Volume, owner: str) -> Iterator[str]:
    """A container that is never started and has the volume mounted, so that files can be put into it."""
    physical = names.volume(volume.name)
    client.volumes.create(name=physical, labels=names.labels(owner))
    config = client.api.create_host_config(binds={physical: {"bind": volume.path, "mode": "rw"}}, network_mode="none")
    labels = names.transient(owner)
    made = client.api.create_container(image, entrypoint=["true"], command=["true"], labels=labels, host_config=config)
    try:
        yield str(made["Id"])
    finally:
        client.api.remove_container(made["Id"], force=True)


def _has(client: DockerClient, holder: str, path: str) -> bool:
    import docker.errors

    try:
        stream, _ = client.api.get_archive(holder, path)
    except docker.errors.NotFound:
        return False
    stream.close()
    return True


def _archive(path: Path, name: str, owner: tuple[int, int]) -> Iterator[bytes]:
    """A tar of one file, block by block: weights are larger than memory should hold."""
    entries = [name.rsplit("/", 1)[0].split("/")[: n + 1] for n in range(name.count("/"))]
    for parts in entries:
        info = tarfile.TarInfo("/".join(parts))
        info.type, info.mode = tarfile.DIRTYPE, 0o750
        info.uid, info.gid = owner
        yield info.tobuf(tarfile.PAX_FORMAT)
    info = tarfile.TarInfo(name)
    info.size, info.mode = path.stat().st_size, 0o600
    info.uid, info.gid = owner
    yield info.tobuf(tarfile.PAX_FORMAT)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block
    yield b"\0" * (-info.size % tarfile.BLOCKSIZE + 2 * tarfile.BLOCKSIZE)
