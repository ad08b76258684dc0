"""A model hub on this machine that stops half-way: it cuts its connections off, or falls silent in the middle."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil

REVISION = "c" * 40


@dataclass
class Hub:
    """Serves one file with ranges. `stop_at` is where it stops, until `mended`; `silent` instead of cutting."""

    data: bytes
    stop_at: int
    silent: bool = False
    url: str = ""
    starts: list[int] = field(default_factory=list)
    """The first byte of each request that was answered with data."""
    sent: int = 0
    """Bytes of the file that were sent, in all."""
    stopped: threading.Event = field(default_factory=threading.Event)
    mended: threading.Event = field(default_factory=threading.Event)

    def source(self, file: Path) -> dict[str, Any]:
        """This hub as a source of a model."""
        return {
            "kind": "huggingface",
            "endpoint": self.url,
            "repo": "maker/tiny",
            "revision": REVISION,
            "file": file.name,
        }


@contextmanager
def serving(data: bytes, *, silent: bool = False, at: str = "") -> Iterator[Hub]:
    """A hub that containers reach: at an address of this machine, else at the one on Docker's own bridge."""
    hub = Hub(data, len(data) // 2, silent)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "bytes=0-")
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            end = len(hub.data) if hub.mended.is_set() else hub.stop_at
            hub.starts.append(start)
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(hub.data) - 1}/{len(hub.data)}")
            self.send_header("Content-Length", str(len(hub.data) - start))
            self.end_headers()
            self.wfile.write(hub.data[start:end])
            self.wfile.flush()
            hub.sent += len(hub.data[start:end])
            if end < len(hub.data):
                hub.stopped.set()
                if hub.silent:
                    hub.mended.wait(600)
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            # A client that is killed while it waits is what these tests are about.
            pass

    address = at or next(a.address for a in psutil.net_if_addrs()["docker0"] if a.family == socket.AF_INET)
    server = Server((address, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    hub.url = f"http://{address}:{server.server_port}"
    try:
        yield hub
    finally:
        hub.mended.set()
        server.shutdown()
        thread.join()
        server.server_close()
