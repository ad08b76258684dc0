"""A receiver of alerts on this machine, which pods and containers reach."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Hook:
    """A webhook on this machine that containers reach. `status` is what it answers, `got` what it was sent."""

    status: int = 200
    url: str = ""
    got: list[dict[str, Any]] = field(default_factory=list)

    @property
    def alerts(self) -> list[dict[str, Any]]:
        """Every alert of every message."""
        return [alert for message in self.got for alert in message["alerts"]]


@contextmanager
def listening(address: str) -> Iterator[Hook]:
    """A webhook at an address of this machine."""
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if hook.status == 200:
                hook.got.append(message)
            self.send_response(hook.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer((address, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    hook.url = f"http://{address}:{server.server_port}/alerts"
    try:
        yield hook
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
