"""`python -m slm_ollama_exporter --port 9401 NAME=URL …`: answers /probe?target=NAME, /metrics and /healthz."""

from __future__ import annotations

import argparse
import signal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from urllib.parse import parse_qs, urlsplit

import httpx
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest

from slm_ollama_exporter.collector import OllamaCollector


def servers(words: list[str]) -> dict[str, str]:
    """`NAME=URL` words as a mapping. Raises ValueError for anything else."""
    found: dict[str, str] = {}
    for word in words:
        name, separator, url = word.partition("=")
        if not separator or not name or urlsplit(url).scheme not in ("http", "https"):
            raise ValueError(f"'{word}' is not NAME=URL")
        found[name] = url
    return found


def handler(known: dict[str, str], client: httpx.Client) -> type[BaseHTTPRequestHandler]:
    """A handler that asks the servers `known`, and no address that a caller could name."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/healthz":
                self._answer(200, b"ok\n", "text/plain")
            elif parts.path == "/metrics":
                self._answer(200, generate_latest(REGISTRY), CONTENT_TYPE_LATEST)
            elif parts.path == "/probe":
                self._probe("".join(parse_qs(parts.query).get("target", [])))
            else:
                self._answer(404, b"not found\n", "text/plain")

        def _probe(self, target: str) -> None:
            if target not in known:
                self._answer(400, b"unknown target\n", "text/plain")
                return
            registry = CollectorRegistry()
            registry.register(OllamaCollector(known[target], client))
            self._answer(200, generate_latest(registry), CONTENT_TYPE_LATEST)

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """A line for each scrape would say nothing."""

    return Handler


def main() -> None:
    """Serve until a signal. Exit code 2 for words that cannot be used."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=9401)
    parser.add_argument("server", nargs="*", help="NAME=URL of an Ollama server")
    given = parser.parse_args()
    try:
        known = servers(given.server)
    except ValueError as error:
        parser.error(str(error))
    with httpx.Client(trust_env=False) as client:
        server = ThreadingHTTPServer(("0.0.0.0", given.port), handler(known, client))
        signal.signal(signal.SIGTERM, _stop)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            server.server_close()


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
