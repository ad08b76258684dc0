"""A publisher's download site on loopback, with the layout of the real ones and faults on demand."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tools.table import Platform, Tool

LINUX = Platform(os="linux", arch="amd64")

PULUMI_STAND_IN = """#!/bin/sh
# plugin install resource NAME VERSION --file FILE --reinstall
mkdir -p "$PULUMI_HOME/plugins/$3-$4-v$5" && cp "$7" "$PULUMI_HOME/plugins/$3-$4-v$5/"
"""


@dataclass
class Publisher:
    """What is published (`files` by path), what was asked for, and how often an answer breaks off (`cut`, in bytes)."""

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)
    url: str = ""

    def publish(self, name: str, content: bytes, sums: str) -> None:
        """Add a file and its line in the checksum file `sums`."""
        self.files[f"/{name}"] = content
        line = f"{hashlib.sha256(content).hexdigest()}  {name}\n".encode()
        self.files[f"/{sums}"] = self.files.get(f"/{sums}", b"") + line


@contextmanager
def publisher() -> Iterator[Publisher]:
    """Serve until the block ends."""
    site = Publisher()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append((self.path, self.headers.get("Range", "")))
            content = site.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            wanted = self.headers.get("Range")
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            if start and start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            breaks_off = site.cut.pop(0) if site.cut and self.path.endswith(".tar.gz") else None
            self.wfile.write(content[start : start + breaks_off] if breaks_off else content[start:])
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def archive(files: dict[str, bytes]) -> bytes:
    """A tar.gz of executable files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def a_tool(url: str = "", **columns: Any) -> Tool:
    """A row with a download at `url` (none without one) and a build that the tests replace."""
    row: dict[str, Any] = {
        "name": "tool",
        "purpose": "to be tested",
        "version": "1.2.3",
        "executable": "tool",
        "build": {"kind": "wheel", "package": "tool", "hashes": ["0" * 64]},
    }
    row.update(columns)
    if url:
        name = row["name"]
        row["official"] = {
            "archives": [f"{url}/{name}-v{{version}}-{{os}}-{{arch}}.tar.gz"],
            "checksums": [f"{url}/{name}-{{version}}-checksums.txt"],
            **columns.get("official", {}),
        }
    return Tool.model_validate(row)
