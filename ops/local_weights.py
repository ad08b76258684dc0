"""Weights of this machine, a file or a folder: copied into the volume, where the fetch job checks them like others.

Copied rather than mounted, because the Docker engine may be another machine, and because a file that can still be
edited says nothing about what is served tomorrow.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from rich.console import Console

from components.fetching import incoming, record
from components.model_sources import PathSource
from components.models import Model, Weights
from components.settings import Settings
from components.targets.docker.container import Names
from components.weights_names import taken
from components.workload import Volume
from ops.errors import UserError

if TYPE_CHECKING:
    from docker import DockerClient

BLOCK = 1024 * 1024


def bring(client: DockerClient, stack: str, settings: Settings, console: Console) -> None:
    """Copy every model that has a `path` source into its volume, unless the volume has the model already.

    Raises UserError naming a file that cannot be read.
    """
    names, seen = Names(stack), set[str]()
    for name, engine in settings.hosted.items():
        model = settings.model_of(name)
        weights = model.origin_of(engine.weights_of(model)[0])
        sources = [source for source in weights.sources if isinstance(source, PathSource)]
        volume = next((v for v in settings.workload_of(name).filled_volumes if any(job.egress for job in v.fill)), None)
        if not sources or volume is None or volume.name in seen:
            continue
        seen.add(volume.name)
        job = volume.fill[0]
        with holder(client, settings.images["fetch"], names, volume, name) as empty:
            if not has_file(client, empty, f"{volume.path}/{record(weights)}"):
                files = _files(model, weights, sources[0])
                if files:
                    console.print(f"  copying {sources[0].path} into volume {volume.name}")
                    client.api.put_archive(empty, volume.path, _archive(files, (job.user, job.group)))


def _files(model: Model, weights: Weights, source: PathSource) -> list[tuple[Path, str]]:
    """What to copy, each with its place in the volume; nothing when other sources can serve. Raises UserError."""
    path, target = Path(source.path), incoming(weights)
    if weights.format == "gguf":
        found, missing = [(path, target)], [] if path.is_file() else [str(path)]
    else:
        # Links are followed: the cache of a hub's own program consists of them.
        below = sorted(str(p.relative_to(path)) for p in path.rglob("*") if p.is_file())
        wanted = [file.path for file in weights.files] or taken(below, weights.format)
        missing = [str(path / name) for name in wanted if name not in below] if wanted else [str(path)]
        found = [(path / name, f"{target}/{name}") for name in wanted]
    if not missing:
        return found
    if len(weights.sources) > 1:
        return []  # The fetch job tries the others and says which one served.
    raise UserError(
        f"the weights of '{model.name}' are not at {missing[0]}",
        harm="there is nothing to serve, and no other source is declared",
        fix=f"put the {'file' if weights.format == 'gguf' else f'{weights.format} folder'} there, or declare another"
        " source under slm:models",
    )


@contextmanager
def holder(client: DockerClient, image: str, names: Names, volume: Volume, owner: str) -> Iterator[str]:
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


def has_file(client: DockerClient, container: str, path: str) -> bool:
    """Whether there is a file at this path of a container, running or not."""
    import docker.errors

    try:
        stream, _ = client.api.get_archive(container, path)
    except docker.errors.NotFound:
        return False
    stream.close()
    return True


def _archive(files: Sequence[tuple[Path, str]], owner: tuple[int, int]) -> Iterator[bytes]:
    """A tar of files by their names in it, block by block: weights are larger than memory should hold."""
    folders = {parent for _, name in files for parent in PurePosixPath(name).parents if parent.name}
    for folder in sorted(folders):
        info = tarfile.TarInfo(str(folder))
        info.type, info.mode = tarfile.DIRTYPE, 0o750
        info.uid, info.gid = owner
        yield info.tobuf(tarfile.PAX_FORMAT)
    for path, name in files:
        info = tarfile.TarInfo(name)
        info.size, info.mode = path.stat().st_size, 0o600
        info.uid, info.gid = owner
        yield info.tobuf(tarfile.PAX_FORMAT)
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                yield block
        yield b"\0" * (-info.size % tarfile.BLOCKSIZE)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)
