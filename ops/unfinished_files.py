"""Files that a deployment uploaded and did not hand over to their service, because it was cut off in between.

Pulumi counts them as made, and would never hand them over; the service cannot read them and ends at its next start.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from components.targets.docker.daemon import Daemon
from components.workload import FILES_DIRECTORY

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

SUFFIX = "-files"
"""Of the containers that carry files, after the name of the service that mounts them."""


def mend(client: DockerClient, names: Sequence[str], console: Console) -> list[Container]:
    """Hand over what was left to root, and start the services again that have to read it; gives those.

    `names` are the stack's containers.
    """
    import docker.errors

    daemon = Daemon()
    daemon.client = client
    restarted: list[Container] = []
    for name in names:
        service = name.removesuffix(SUFFIX)
        if service == name or service not in names:
            continue
        try:
            carrier = client.containers.get(name)
            user, _, group = str(carrier.attrs["Config"]["User"]).partition(":")
            if not user.isdigit() or _owners(carrier) <= {int(user)}:
                continue
            daemon.own_files(str(carrier.id), int(user), int(group or user))
            console.print(f"  files of {service} were not handed over to it when a run was cut off: done now")
            running = client.containers.get(service)
            running.restart()
            restarted.append(running)
        except docker.errors.NotFound:
            continue  # It is made again, with its files.
    return restarted


def _owners(carrier: Container) -> set[int]:
    """Whose the files are that a container carries."""
    chunks, _ = carrier.get_archive(f"{FILES_DIRECTORY}/.")
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        return {info.uid for info in tar if info.isfile()}
