"""A client of one Docker engine, made when it is first needed and then kept."""

from __future__ import annotations

import atexit
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING

from components.targets.docker.ssh_errors import PASSING, SshError
from components.targets.docker.tunnel import Tunnel
from components.targets.spec import Docker

if TYPE_CHECKING:
    from docker import DockerClient


BRIDGED = 100.0
"""Seconds for which a link may be gone when a deployment, already at work, needs the host again."""


class Connection:
    """The way to the engine of `spec`. Its tunnel, where it needs one, stands until this process ends."""

    def __init__(self, spec: Docker) -> None:
        self._spec, self._connecting = spec, Lock()

    @property
    def client(self) -> DockerClient:
        """The SDK's client.

        Raises docker.errors.DockerException when the engine does not answer, SshError when its host cannot be reached.
        """
        with self._connecting:  # hooks run in threads, and one connection is enough for all of them
            return self._client

    @cached_property
    def _client(self) -> DockerClient:
        import docker

        if self._spec.host is None:
            return docker.from_env()
        if not self._spec.remote:
            return docker.DockerClient(base_url=self._spec.host)
        tunnel = opened(self._spec)
        atexit.register(tunnel.close)
        return docker.DockerClient(base_url=tunnel.url)


def opened(spec: Docker, seconds: float = BRIDGED) -> Tunnel:
    """A tunnel to the host, tried again for so many seconds while its link is gone. Raises SshError."""
    import tenacity

    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda e: isinstance(e, SshError) and e.failure.kind in PASSING),
        stop=tenacity.stop_after_delay(seconds),
        wait=tenacity.wait_fixed(1),
        reraise=True,
    )
    return attempts(lambda: Tunnel(spec).open())
