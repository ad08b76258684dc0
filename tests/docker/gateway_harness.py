"""A real HAProxy container with the gateway's configuration, in front of small engines in the test process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import docker
import httpx
from docker.models.containers import Container
from docker.models.networks import Network

from components.gateway import Gateway, Limits, Route, key_map, workload

ROOT = Path(__file__).parents[2]
KEYS = {"alice": "alice-" + "a" * 40, "bob": "bob-" + "b" * 40}
MODEL = "qwen2.5-coder:0.5b"
CHAT = "/v1/chat/completions"
QUICK = Limits(check_seconds=1, client_seconds=2, queue_seconds=1, response_seconds=3, requests_per_minute=100_000)
"""Default limits, but nothing takes longer than a test may wait, and whoever asks until an answer comes may go on."""


def image(suite: str) -> str:
    """The gateway image on a Debian suite, built from packages; layers that exist are used again."""
    base, tag = f"slm.local/base:{suite}", f"slm.local/haproxy:{suite}"
    client = docker.from_env()
    try:
        if not client.images.list(base):
            subprocess.run([ROOT / "images/base/build.sh", suite, base], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(
            ["docker", "build", "-q", "--network", "host", "--build-arg", f"BASE={base}", "-t", tag, "images/haproxy"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            env=os.environ | {"DOCKER_BUILDKIT": "0"},
        )
        found = client.images.get(tag).id
    finally:
        client.close()
    assert found is not None
    return found


@dataclass
class Seen:
    """A request as an engine got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Engine:
    """An engine that records what reaches it and answers as `answer` says."""

    address: str
    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)
    gate: threading.Event = field(default_factory=threading.Event)
    turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """One release lets a stream that goes by turns send its next piece (see `by_turns`)."""
    alive: bool = True

    def start(self) -> None:
        """Listen, on the same port as before when it ran before."""
        engine = self

        class Handler(_Handler):
            pass

        Handler.engine = engine
        server = _Server((self.address, self.port), Handler)
        self.port = server.server_address[1]
        self._server = server
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on, as a killed process does."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that hangs up is part of these tests.
        pass


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: Engine

    def do_GET(self) -> None:
        if self.path == "/live":
            while not self.engine.alive:
                time.sleep(0.05)
            self._json(200, {"status": "ok"})
            return
        self._record(b"")
        self._json(200, {"path": self.path})

    def do_POST(self) -> None:
        body = self._body()
        self._record(body)
        asked = json.loads(body)
        how = asked.get("user", "")
        if how == "wait":
            self.engine.gate.wait(60)
        if how == "silent":
            self._wait_for_hang_up()
            return
        if how == "headers":
            self._stream_head()
            self._wait_for_hang_up()
            return
        if how == "break":
            return
        if asked.get("stream"):
            self._stream(int(asked.get("n", 5)), float(asked.get("pause", 0.2)), how)
        else:
            usage = {"prompt_tokens": asked.get("prompt_tokens", 1)}
            self._json(200, {"model": asked["model"], "object": "chat.completion", "usage": usage})

    def _stream_head(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _stream(self, pieces: int, pause: float, how: str) -> None:
        """So many pieces; "on": they are counted from when the gate is open, and others come until then."""
        self._stream_head()
        number, last = 0, None if how == "on" else pieces
        try:
            while number != last:
                data = f'data: {{"piece": {number}}}\n\n'.encode()
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                number += 1
                if how == "turns" and number != last:
                    assert self.engine.turn.acquire(timeout=20), "the piece before this one has not arrived"
                else:
                    time.sleep(pause)
                if last is None and self.engine.gate.is_set():
                    last = number + pieces
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.engine.hung_up.set()
            raise

    def _wait_for_hang_up(self) -> None:
        self.connection.settimeout(60)
        try:
            gone = self.connection.recv(1) == b""
        except ConnectionError:
            gone = True
        if gone:
            self.engine.hung_up.set()
        self.close_connection = True

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _record(self, body: bytes) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.engine.seen.append(Seen(self.command, self.path, headers, body))

    def _json(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@dataclass
class Running:
    """A gateway container, the engine behind it, and ways to talk to both."""

    container: Container
    engine: Engine
    files: Path
    address: str
    settings: Gateway
    routes: tuple[Route, ...]
    image: str

    def client(self, key: str | None = KEYS["alice"], **more: Any) -> httpx.Client:
        """A client that calls the gateway `localhost`, with a key unless it is None."""
        headers = {"Host": "localhost"} | ({"Authorization": f"Bearer {key}"} if key else {})
        headers |= more.pop("headers", {})
        more = {"timeout": 60} | more
        scheme = "https" if self.settings.tls else "http"
        return httpx.Client(base_url=f"{scheme}://{self.address}:8080", headers=headers, **more)

    def raw(self, data: bytes, seconds: float = 6) -> bytes:
        """Send bytes as they are and give all that comes back until the gateway closes or goes quiet."""
        with socket.create_connection((self.address, 8080), timeout=20) as connection:
            connection.sendall(data)
            return read_all(connection, seconds)

    def first_answer(self, data: bytes) -> tuple[bytes, float]:
        """Send bytes as they are; what comes back first, and after how many seconds."""
        begin = time.monotonic()
        with socket.create_connection((self.address, 8080), timeout=20) as connection:
            connection.sendall(data)
            return connection.recv(65536), time.monotonic() - begin

    def internal(self, path: str) -> httpx.Response:
        """Ask the port that is never published."""
        return httpx.get(f"http://{self.address}:8404{path}", timeout=15)

    def write(self, keys: dict[str, str] | None = None, config: str | None = None) -> None:
        """Write what a target would mount; `config` instead of the rendered one."""
        made = workload(self.settings, self.routes, self.image)
        self.files.mkdir(mode=0o755, exist_ok=True)
        texts = {f.name: f.content for f in made.files} | {"keys.map": key_map(keys or KEYS)}
        if config is not None:
            texts["haproxy.cfg"] = config
        for name, text in texts.items():
            (self.files / name).write_text(text)
            (self.files / name).chmod(0o444)

    def reload(self) -> None:
        """What a target does after it changed files."""
        self.container.kill("SIGUSR2")

    def log(self) -> str:
        """All whole lines that the container wrote: Docker tells of a long one while the rest of it is on its way."""
        text = self.container.logs().decode()
        return text[: text.rfind("\n") + 1]


def read_all(connection: socket.socket, quiet: float | None = None) -> bytes:
    """What arrives until the other side closes or the socket's timeout passes; after the first byte that is `quiet`."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
            if quiet is not None:
                connection.settimeout(quiet)
    except (TimeoutError, ConnectionResetError):
        pass
    return data


def body(**more: Any) -> dict[str, Any]:
    """A request for the deployed model."""
    return {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], **more}


def by_turns(answer: httpx.Response, engine: Engine, pieces: int) -> list[str]:
    """The pieces of a stream that was asked for with `user="turns"`: the engine sends each only after the one before it
    has arrived here, so that whatever held one back would hold back the whole stream."""
    arrived: list[str] = []
    for line in answer.iter_lines():
        if line.startswith("data:"):
            arrived.append(line)
            if len(arrived) < pieces:
                engine.turn.release()
    return arrived


def until(condition: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait until it is so and give how long that took; fail with `what` when it does not happen in time."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > seconds:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)
    return time.monotonic() - begin


@contextmanager
def bridge() -> Iterator[tuple[Network, str]]:
    """A network of its own, and the address the test process has in it."""
    client = docker.from_env()
    network = client.networks.create(f"slm-gateway-test-{os.urandom(4).hex()}", driver="bridge")
    try:
        yield network, address_in(network)
    finally:
        network.remove()
        client.close()


def address_in(network: Network) -> str:
    """The address this process has in a bridge network."""
    network.reload()
    return str(network.attrs["IPAM"]["Config"][0]["Gateway"])


def start(image_id: str, network: Network, files: Path, **more: Any) -> Container:
    """A container hardened as a target hardens it: the gateway must not need anything more."""
    client = network.client
    assert client is not None
    made = more.pop("command", ["-W", "-db", "-f", "/etc/slm/haproxy.cfg"])
    return client.containers.run(
        image_id,
        made,
        entrypoint=["haproxy"],
        detach=True,
        user="10001:10001",
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        mem_limit="512m",
        memswap_limit="512m",
        pids_limit=128,
        network=network.name,
        volumes={str(files): {"bind": "/etc/slm", "mode": "ro"}},
        **more,
    )


@contextmanager
def gateway(
    suite: str,
    files: Path,
    limits: Limits = QUICK,
    routes: tuple[Route, ...] | None = None,
    network: Network | None = None,
    **settings: Any,
) -> Iterator[Running]:
    """A running gateway with one engine behind it, both gone afterwards."""
    image_id = image(suite)
    extra_files: dict[str, str] = settings.pop("extra_files", {})
    of_the_route: dict[str, Any] = settings.pop("of_the_route", {})
    with nullcontext((network, address_in(network))) if network else bridge() as (network, here):
        engine = Engine(here)
        engine.start()
        route = Route(
            name="chat",
            model=MODEL,
            host=here,
            port=engine.port,
            concurrency=2,
            paths=(("POST", CHAT), ("POST", "/v1/completions"), ("GET", "/api/version")),
            live="/live",
            **of_the_route,
        )
        configured = Gateway(target="local", limits=limits, **settings)
        running = Running(None, engine, files, "", configured, routes or (route,), image_id)  # type: ignore[arg-type]
        running.write()
        for name, text in extra_files.items():
            (files / name).write_text(text)
            (files / name).chmod(0o444)
        running.container = start(image_id, network, files)
        try:
            running.container.reload()
            running.address = running.container.attrs["NetworkSettings"]["Networks"][network.name]["IPAddress"]
            until(lambda: _up(running), 30, f"gateway up: {running.log()}")
            yield running
        finally:
            engine.gate.set()
            running.container.remove(force=True, v=True)
            engine.stop()


def _up(running: Running) -> bool:
    try:
        return running.internal("/healthz").status_code == 200
    except httpx.TransportError:
        return False
