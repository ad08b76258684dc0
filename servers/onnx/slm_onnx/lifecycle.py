"""Start and stop: SIGTERM lets running answers finish, for a limited time, and then the process ends."""

from __future__ import annotations

import asyncio
import logging
import signal
from types import FrameType

import uvicorn

from .app import Server

log = logging.getLogger(__name__)


class DrainingServer(uvicorn.Server):
    """A server that keeps answering while it drains, so that /ready can say so and running answers can end."""

    def __init__(self, config: uvicorn.Config, server: Server, drain_seconds: float) -> None:
        super().__init__(config)
        self._server, self._drain_seconds = server, drain_seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._drain: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Start the model's thread with the sockets."""
        self._loop = asyncio.get_running_loop()
        self._server.runtime.start()
        await super().startup(sockets)  # type: ignore[arg-type]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal begins to drain, a second one ends at once."""
        if self._loop is None or self._server.runtime.draining:
            self.should_exit = self.force_exit = True
            return
        log.info("draining", extra={"signal": signal.Signals(sig).name, "seconds": self._drain_seconds})
        self._server.runtime.drain()
        self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        self._drain = asyncio.ensure_future(self._until_idle())

    async def _until_idle(self) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._drain_seconds
        while self._server.runtime.busy and loop.time() < end:
            await asyncio.sleep(0.05)
        cut = self._server.runtime.busy
        log.info("drained" if not cut else "drain time is over: answers are cut off")
        self.force_exit = cut
        self.should_exit = True


def serve(server: Server, host: str, port: int, drain_seconds: float) -> bool:
    """Serve until a signal comes. Gives whether the model was well to the end."""
    config = uvicorn.Config(
        server.app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        # Answers have ended by then; this is for connections that are only slow to read theirs.
        timeout_graceful_shutdown=5,
        lifespan="off",
    )
    DrainingServer(config, server, drain_seconds).run()
    well = server.runtime.alive
    server.runtime.stop()
    return well
