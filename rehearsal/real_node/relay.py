"""What the node reaches of this machine: the API server, and the outside by a proxy, both at its end of the cable.

The node's network has no route to anywhere else, and this machine forwards nothing: a fetch job goes out the way the
stack file's `egress` and a site's proxy describe.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import urlsplit

from rehearsal.control_plane.errors import NotReady

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
REFUSED = b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n"
UNREACHABLE = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
CHUNK = 1 << 16


class Relay:
    """A thread with both listeners at `host`. `api` is the port at which the API server listens on loopback.

    `upstream` is the URL of the site's own HTTP proxy, where it has one: requests then go on to that.
    """

    def __init__(self, host: str, api: int, upstream: str | None = None) -> None:
        self._host, self._api, self._upstream = host, api, upstream
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._servers: list[asyncio.Server] = []
        self._passing: set[asyncio.Task[None] | None] = set()
        self.api_port = 0
        self.proxy_port = 0

    def start(self) -> None:
        """Listen. Raises NotReady."""
        self._thread.start()
        try:
            self.api_port = self._listen(self._to_api)
            self.proxy_port = self._listen(self._to_site if self._upstream else self._to_outside)
        except OSError as error:
            raise NotReady(
                f"Nothing can listen at {self._host} for the node: {error}",
                fix="see whether a firewall of this machine forbids it",
            ) from error

    def stop(self) -> None:
        """End both, and what goes through them."""
        if not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _listen(self, serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> int:
        async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # The loop itself remembers its tasks weakly, and one that waits for two idle ends may be collected.
            self._passing.add(task := asyncio.current_task())
            try:
                await serve(reader, writer)
            finally:
                self._passing.discard(task)

        started = asyncio.run_coroutine_threadsafe(asyncio.start_server(served, self._host, 0), self._loop)
        self._servers.append(started.result(10))
        return int(self._servers[-1].sockets[0].getsockname()[1])

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _to_api(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _pass_on(reader, writer, "127.0.0.1", self._api)

    async def _to_site(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        proxy = urlsplit(self._upstream or "")
        await _pass_on(reader, writer, proxy.hostname or "", proxy.port or 80)

    async def _to_outside(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One CONNECT request of HTTP, which is what clients of https addresses send a proxy."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            writer.close()
            return
        method, _, rest = head.partition(b" ")
        host, _, port = rest.partition(b" ")[0].decode("latin-1").rpartition(":")
        if method != b"CONNECT" or not port.isdigit():
            writer.write(REFUSED)
            writer.close()
            return
        await _pass_on(reader, writer, host, int(port), greeting=ESTABLISHED)


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int, greeting: bytes = b""
) -> None:
    """Both ways, until both sides have said all; `greeting` goes to the caller once the other side is reached."""
    try:
        far_reader, far_writer = await asyncio.open_connection(host, port)
    except OSError:
        if greeting:
            writer.write(UNREACHABLE)
        writer.close()
        return
    try:
        writer.write(greeting)
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
    except asyncio.CancelledError:
        return  # `stop` does that, and asyncio's streams take it for an error of theirs when it goes on from here.
    finally:
        for end in (writer, far_writer):
            end.close()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):  # whoever hangs up in the middle has heard enough
        while data := await source.read(CHUNK):
            sink.write(data)
            await sink.drain()
        sink.write_eof()
