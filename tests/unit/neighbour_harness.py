"""A neighbour that serves weights over TLS, as `slm_fetch.serve` does it, and a way there that may break."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ops.fleet.authority import Authority
from tests.unit.fetch_harness import program, sha256

TOKEN = "canary" + "t" * 40


@dataclass
class Near:
    """The server: where it is, and what a fetch job that may ask it has in its files."""

    folder: Path
    port: int
    authority: Authority
    server: Any
    said: list[dict[str, Any]] = field(default_factory=list)

    def source(self, **more: Any) -> dict[str, Any]:
        """The server as a source of a plan."""
        token = self.folder / "token"
        token.write_text(TOKEN)
        return {
            "kind": "neighbour",
            "endpoint": f"https://127.0.0.1:{self.port}",
            "token_file": str(token),
            "token_secret": "neighbour-token",
            "ca_file": str(self.authority.certificate_file),
        } | more

    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority.certificate_file))


@contextmanager
def sharing(folder: Path, files: dict[str, bytes], *, claimed: dict[str, str] | None = None) -> Iterator[Near]:
    """Serve files with these contents; `claimed` has the sha256 under which another content is served."""
    serve = program("slm_fetch.serve")
    folder.mkdir(parents=True, exist_ok=True)
    authority = Authority.of("edge", folder)
    issued = authority.issue(["127.0.0.1"])
    (folder / "own.pem").write_text(issued.certificate + issued.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "own.pem")
    offer = []
    for name, data in files.items():
        path = folder / "weights" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        known = (claimed or {}).get(name) or sha256(data)
        offer.append({"file": str(path), "size_bytes": len(data), "sha256": known})
    server = serve.Server(("127.0.0.1", 0), serve.present(offer), TOKEN, context)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Near(folder, server.server_port, authority, server)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Way:
    """A relay before a server: it passes `room` bytes of answers in all, then is gone; `rate` is in bytes a second."""

    port: int = 0
    room: int = 1 << 40
    rate: float = 0
    connections: int = 0


@contextmanager
def way_to(port: int, *, room: int = 1 << 40, rate: float = 0) -> Iterator[Way]:
    way = Way(room=room, rate=rate)
    listening = socket.create_server(("127.0.0.1", 0))
    way.port = listening.getsockname()[1]

    def forth(near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := near.recv(65536):
                far.sendall(data)

    def back(near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError), near, far:
            while way.room > 0 and (data := far.recv(min(16384, way.room))):
                near.sendall(data)
                way.room -= len(data)
                if way.rate:
                    time.sleep(len(data) / way.rate)
            near.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listening.accept()
                way.connections += 1
                if way.room <= 0:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", port))
                threading.Thread(target=forth, args=(near, far), daemon=True).start()
                threading.Thread(target=back, args=(near, far), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield way
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()
