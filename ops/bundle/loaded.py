"""What a loaded bundle holds of images: brought into a Docker engine whenever it lacks one."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from components.settings.bundled import CONTENT, FOLDER, INDEX, BundledImage, bundled_images
from ops.errors import UserError
from ops.machine import PROJECT

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["CONTENT", "FOLDER", "INDEX", "BundledImage", "bring", "is_loaded"]

BLOCK = 1 << 20


def is_loaded(project: Path = PROJECT) -> bool:
    """Whether this checkout came in a bundle: then nothing is asked of a network."""
    return (project / CONTENT).is_dir()


def bring(client: DockerClient, image: str | None, project: Path = PROJECT) -> bool:
    """Make sure that an engine has an image of the bundle; False for one the bundle has not. Raises UserError."""
    import docker.errors

    found = next((one for one in bundled_images(project).values() if one.id == image), None)
    if found is None:
        return False
    try:
        client.images.get(found.id)
        return True
    except docker.errors.ImageNotFound:
        # Its client streams what can be iterated, and its types know of files only.
        client.images.load(_archive(found, project / CONTENT / FOLDER))  # type: ignore[arg-type]
    try:
        client.images.get(found.id)
    except docker.errors.ImageNotFound:
        raise UserError(
            f"the Docker engine gives the bundle's image {found.id} another id",
            harm="the stack names its images by their ids and would not find it",
            fix='let the engine keep images in its own store: "features": {"containerd-snapshotter": false} '
            "in /etc/docker/daemon.json",
        ) from None
    return True


def _archive(image: BundledImage, blobs: Path) -> Iterator[bytes]:
    """The image in the form of `docker save`, which takes compressed layers as well; block by block."""
    described = {"Config": f"{image.config}.json", "RepoTags": list(image.tags)}
    described["Layers"] = [f"{layer}.tar.gz" for layer in image.layers]
    yield from _entry("manifest.json", io.BytesIO(json.dumps([described]).encode()))
    yield from _file(f"{image.config}.json", blobs / image.config)
    for layer in dict.fromkeys(image.layers):
        yield from _file(f"{layer}.tar.gz", blobs / layer)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)


def _file(name: str, path: Path) -> Iterator[bytes]:
    with path.open("rb") as content:
        yield from _entry(name, content)


def _entry(name: str, content: io.BytesIO | io.BufferedReader) -> Iterator[bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mode = content.seek(0, io.SEEK_END), 0o600
    content.seek(0)
    yield info.tobuf(tarfile.PAX_FORMAT)
    while block := content.read(BLOCK):
        yield block
    yield b"\0" * (-info.size % tarfile.BLOCKSIZE)
