"""Images of an engine as an upgrade of it makes them, for `make bench-edge`."""

from __future__ import annotations

import io
import random
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager

from ops import docker_client
from ops.errors import UserError

STACK = "test-bench-edge"
OLLAMA = "usr/bin/ollama"
UPGRADE = f"slm.local/{STACK}:upgrade"


@contextmanager
def without_upgrades() -> Iterator[None]:
    """Images that were made to upgrade to are gone afterwards."""
    before = _upgrades()
    try:
        yield
    finally:
        for image in _upgrades() - before:
            docker_client.connect().images.remove(image, force=True)


def _upgrades() -> set[str]:
    found = docker_client.connect().images.list(filters={"label": f"slm.bench={STACK}"})
    return {str(image.id) for image in found}


def another_engine(now: str) -> str:
    """An image as an upgrade makes it: the program is another one, what is below it the same. Gives its id."""
    local = docker_client.connect()
    holder = local.api.create_container(now, entrypoint=["true"])
    try:
        chunks, _ = local.api.get_archive(holder["Id"], f"/{OLLAMA}")
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as packed:
            content = packed.extractfile(packed.getmembers()[0])
            program = content.read() if content else b""
    finally:
        local.api.remove_container(holder["Id"])
    if not program:
        raise UserError(f"the image {now} has no /{OLLAMA}", harm="no upgrade of it can be made")
    context = io.BytesIO()
    # What follows the end of a program does not change what it does.
    files = {
        "Dockerfile": f"FROM {now}\nLABEL slm.bench={STACK}\nCOPY ollama /{OLLAMA}\n".encode(),
        "ollama": program + random.Random().randbytes(16),
    }
    with tarfile.open(fileobj=context, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755
            tar.addfile(info, io.BytesIO(data))
    context.seek(0)
    image, _ = local.images.build(fileobj=context, custom_context=True, forcerm=True, tag=UPGRADE)
    return str(image.id)
