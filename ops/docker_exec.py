"""What a command says that is run in a container.

docker-py reads such an answer from below the buffer of its HTTP client, so what came together with the answer's head is
lost, on a busy machine the beginning or all of it (docker-py issue 3332). Here it is read through that buffer.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docker.models.containers import Container

STDOUT = 1
STDERR = 2
HEAD = struct.Struct(">BxxxL")
"""What Docker puts before each piece: whether it is output or an error, and how many bytes follow."""


@dataclass(frozen=True)
class Done:
    """What came of a command: its exit code, its output and its errors."""

    exit_code: int
    output: bytes
    errors: bytes


def run(container: Container, command: list[str], *, user: str = "", seconds: float | None = None) -> Done:
    """Run a command to its end.

    Raises docker.errors.APIError, and TimeoutError where it says nothing for `seconds`; without, it may be quiet.
    """
    running = Running(container, command, user=user, seconds=seconds)
    said = {STDOUT: bytearray(), STDERR: bytearray()}
    for stream, piece in running:
        said[stream] += piece
    return Done(running.exit_code(), bytes(said[STDOUT]), bytes(said[STDERR]))


class Running:
    """A command that runs; iterating gives STDOUT or STDERR with what was said, piece by piece, until it ends."""

    def __init__(
        self, container: Container, command: list[str], *, user: str = "", seconds: float | None = None
    ) -> None:
        """Start it. `seconds` is how long it may say nothing. Raises docker.errors.APIError."""
        client: Any = container.client
        self._api = client.api
        self._id = self._api.exec_create(container.id, command, user=user)["Id"]
        self._socket = self._api.exec_start(self._id, socket=True)
        # The answer holds the buffer, and is kept by docker-py at the socket it gives.
        self._answer = self._socket._response
        self._socket._sock.settimeout(seconds)

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Raises ConnectionError when the engine stops in the middle of a piece, and TimeoutError."""
        reader = self._answer.raw._fp.fp
        try:
            while head := reader.read(HEAD.size):
                stream, size = HEAD.unpack(head) if len(head) == HEAD.size else (0, HEAD.size)
                piece = reader.read(size)
                if len(piece) < size or stream not in (STDOUT, STDERR):
                    raise ConnectionError("the Docker engine broke off in the middle of what a command says")
                if piece:
                    yield stream, piece
        finally:
            self._answer.close()

    def exit_code(self) -> int:
        """How it ended."""
        return int(self._api.exec_inspect(self._id)["ExitCode"])
