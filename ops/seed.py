"""Copies a weights file from this machine into the Docker engine's volume, where the fetch job checks it.

Copied through the engine's API, so it works for an edge host over ssh as well as for the local engine.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from components.fetching import RECORDS_DIRECTORY
from components.models import Model, PathSource
from components.workload import RUN_AS
from ops.errors import UserError

if TYPE_CHECKING:
    from docker import DockerClient

CHUNK = 4 * 1024 * 1024
MOUNT = "/models"


def copy_in(client: DockerClient, model: Model, volume: str, image: str, console: Console) -> bool:
    """Copy the model's `path` source into the volume of that name (made if need be); whether anything was copied.

    Nothing is copied when the volume already holds the verified file, or when the file is not on this machine and
    another source may serve it. `image` is any image the engine has; nothing of it runs. Raises UserError.
    """
    sources = [source for source in model.sources if isinstance(source, PathSource)]
    if not sources:
        return False
    path = Path(sources[0].path)
    if not path.is_file():
        if len(model.sources) > 1:
            return False
        raise UserError(
            f"the weights of {model.name} are to come from {path}, and there is no such file on this machine",
            harm="there is no other source, so the model cannot be served; nothing was changed",
            fix="correct the path, or add another source to the model",
        )
    if (size := path.stat().st_size) != model.size_bytes:
        raise UserError(
            f"{path} has {size} bytes, and the weights of {model.name} have {model.size_bytes}",
            harm="it is another file, or an incomplete one; nothing was copied",
            fix="correct the path, or the model's size_bytes and sha256",
        )
    client.volumes.create(name=volume)
    holder = client.containers.create(image, entrypoint=["true"], volumes={volume: {"bind": MOUNT, "mode": "rw"}})
    try:
        if _holds(holder, model):
            return False
        with console.status(f"copying {path} into the volume {volume}"):
            holder.put_archive(MOUNT, _archive(path, size, model.file))
    finally:
        holder.remove()
    console.print(f"  copied {path} into the volume {volume}")
    return True


def _holds(holder: object, model: Model) -> bool:
    import docker.errors

    try:
        chunks, _ = holder.get_archive(f"{MOUNT}/{RECORDS_DIRECTORY}/{model.file}.json")  # type: ignore[attr-defined]
    except docker.errors.NotFound:
        return False
    with tarfile.open(fileobj=BytesIO(b"".join(chunks))) as tar:
        record = tar.extractfile(tar.getmembers()[0])
        facts = json.loads(record.read()) if record else {}
    return model.sha256 is not None and facts.get("sha256") == model.sha256


def _archive(path: Path, size: int, name: str) -> Iterator[bytes]:
    """A tar stream of the two folders and the file, without holding the file in memory."""
    for folder in (RECORDS_DIRECTORY, f"{RECORDS_DIRECTORY}/incoming"):
        yield _header(folder, tarfile.DIRTYPE, 0o750, 0)
    yield _header(f"{RECORDS_DIRECTORY}/incoming/{name}", tarfile.REGTYPE, 0o600, size)
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            yield chunk
    yield b"\0" * (-size % 512 + 1024)


def _header(name: str, kind: bytes, mode: int, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.uid, info.gid = kind, mode, size, RUN_AS, RUN_AS
    return info.tobuf(tarfile.GNU_FORMAT)
