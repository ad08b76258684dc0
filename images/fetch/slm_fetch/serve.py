"""Serve verified weights to other hosts of the site: python3 -m slm_fetch.serve OFFER.json. See README.md.

Only files of the offer are served, each under its sha256, to who has the token of this rollout, over TLS. Nothing can
be listed, written or run. It ends by itself when nobody has asked for some time.
"""

from __future__ import annotations

import hmac
import json
import os
import re
import signal
import socket
import ssl
import sys
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from slm_fetch.plan import SHA256
from slm_fetch.volume import CHUNK

MOST_CONNECTIONS = 32
"""At a time; one more is closed at once."""
PATIENCE = 30.0
"""Seconds a connection may take for its handshake, a request, or to take the next bytes."""
LONGEST_TOKEN = 200
RANGE = re.compile(r"bytes=([0-9]{1,15})-")
"""The only form that a fetch asks for: from some byte to the end."""


@dataclass(frozen=True)
class Offered:
    """A file that may be served, by its sha256."""

    file: Path
    size: int


class Server(ThreadingHTTPServer):
    """Serves `files`; `asked` is when somebody with the token was served last, as time.monotonic gives it."""

    daemon_threads = True
    request_queue_size = MOST_CONNECTIONS

    def __init__(
        self, address: tuple[str, int], files: dict[str, Offered], token: str, context: ssl.SSLContext
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.files, self.token, self.context = files, token, context
        self.asked = time.monotonic()
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__(address, Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Each connection has a thread of its own, up to a limit."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The handshake is done here: a client that says nothing holds up nobody else."""
        try:
            request.settimeout(PATIENCE)
            with self.context.wrap_socket(request, server_side=True) as inside:
                self.finish_request(inside, client_address)
        except OSError:
            pass  # The client broke off, or speaks no TLS that is accepted. It knows.
        finally:
            self.shutdown_request(request)
            self._free.release()

    def may(self, header: str | None) -> bool:
        """Whether a request has the token; how far a wrong one is right cannot be measured."""
        scheme, _, given = (header or "").partition(" ")
        right = hmac.compare_digest(given.encode(errors="replace"), self.token.encode())
        return right and scheme == "Bearer" and len(given) <= LONGEST_TOKEN


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "slm-weights", ""
    timeout = PATIENCE

    def do_GET(self) -> None:
        """A file, or the rest of it from the byte that is asked for."""
        if not self.server.may(self.headers.get("Authorization")):
            return self._refuse(HTTPStatus.UNAUTHORIZED)
        self.server.asked = time.monotonic()
        sha256 = self.path.removeprefix("/")
        offered = self.server.files.get(sha256)
        if offered is None:
            return self._refuse(HTTPStatus.NOT_FOUND)
        asked = RANGE.fullmatch(self.headers.get("Range") or "bytes=0-")
        start = int(asked[1]) if asked else 0
        if start >= offered.size:
            return self._refuse(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        self._send(sha256, offered, start)

    def _send(self, sha256: str, offered: Offered, start: int) -> None:
        with offered.file.open("rb") as stream:
            if os.fstat(stream.fileno()).st_size != offered.size:
                return self._refuse(HTTPStatus.NOT_FOUND)
            self.send_response(HTTPStatus.PARTIAL_CONTENT if start else HTTPStatus.OK)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{offered.size - 1}/{offered.size}")
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(offered.size - start))
            self.end_headers()
            stream.seek(start)
            sent = 0
            try:
                while chunk := stream.read(CHUNK):
                    self.wfile.write(chunk)
                    sent += len(chunk)
                    self.server.asked = time.monotonic()
            finally:
                say("served", sha256=sha256, start=start, bytes=sent, to=self.client_address[0])

    def _refuse(self, status: HTTPStatus) -> None:
        if status == HTTPStatus.UNAUTHORIZED:
            say("refused", to=self.client_address[0])
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """What is worth a line is said where it happens."""


_SAYING = threading.Lock()


def say(event: str, **facts: Any) -> None:
    """One JSON object on a line of standard output."""
    with _SAYING:
        print(json.dumps({"event": event, **facts}), flush=True)


def present(files: list[dict[str, Any]]) -> dict[str, Offered]:
    """Of the offer what is there with its full size. Raises ValueError for a sha256 that is none."""
    found = {}
    for entry in files:
        file, size, sha256 = Path(entry["file"]), int(entry["size_bytes"]), str(entry["sha256"])
        if not SHA256.fullmatch(sha256):
            raise ValueError(f"{sha256} is no sha256")
        if file.is_file() and not file.is_symlink() and file.stat().st_size == size:
            found[sha256] = Offered(file, size)
    return found


def serve(offer: dict[str, Any]) -> None:
    """Serve until nobody has asked for `idle` seconds. The keys of the offer are in README.md."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(offer["certificate_file"], offer["key_file"])
    token = Path(offer["token_file"]).read_text().strip()
    if len(token) < 32:
        raise ValueError("the token is too short to protect anything")
    address = offer.get("address", "0.0.0.0"), int(offer["port"])
    with Server(address, present(offer["files"]), token, context) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        say("serving", sha256=sorted(server.files), port=server.server_port)
        while (left := server.asked + float(offer["idle"]) - time.monotonic()) > 0:
            time.sleep(min(left, 5))
        server.shutdown()
    say("ended", reason=f"nobody asked for {offer['idle']} seconds")


def main(arguments: list[str]) -> int:
    """Run with an offer and give the exit code: 0 when it ended by itself, 2 when it cannot serve."""
    try:
        serve(json.loads(Path(arguments[0]).read_text()))
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        print(f"serve: the offer cannot be served: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return 2
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, _frame: os._exit(128 + number))
    sys.exit(main(sys.argv[1:]))
