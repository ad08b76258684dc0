"""The distribution packages in an image, read from its files: nothing of it is run."""

from __future__ import annotations

import io
import tarfile
from email.parser import HeaderParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker import DockerClient

STATUS = "/var/lib/dpkg/status"


def packages(client: DockerClient, image: str) -> list[tuple[str, str]]:
    """Name and version of each Debian package; empty for an image of another distribution, or of none."""
    import docker.errors

    container = client.api.create_container(image, entrypoint=["true"], command=["true"])
    try:
        stream, _ = client.api.get_archive(container["Id"], STATUS)
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
            content = tar.extractfile(tar.getmembers()[0])
            return parsed(content.read().decode() if content else "")
    except docker.errors.NotFound:
        return []
    finally:
        client.api.remove_container(container["Id"], force=True)


def parsed(status: str) -> list[tuple[str, str]]:
    """Name and version of each package that a dpkg status file says is installed."""
    entries = (HeaderParser().parsestr(text) for text in status.split("\n\n") if text.strip())
    installed = (entry for entry in entries if str(entry["Status"]).endswith(" installed"))
    return sorted((str(entry["Package"]), str(entry["Version"])) for entry in installed)
