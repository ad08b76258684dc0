"""What a command in a container says arrives whole, however a Docker engine's answer is cut into packets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

import docker
import pytest
from docker.models.containers import Container

from ops import docker_exec

pytestmark = pytest.mark.unit

HEAD = b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"


def frame(stream: int, text: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(text).to_bytes(4, "big") + text


class Engine(ThreadingMixIn, UnixStreamServer):
    """As much of a Docker engine as runs one command, whose answer it sends in the given packets."""

    daemon_threads = True
    packets: tuple[bytes, ...] = ()
    ends = True
    asked: threading.Event


class Handler(BaseHTTPRequestHandler):
    server: Engine
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if not self.path.endswith("/start"):
            return self.json(b'{"Id": "1"}')
        for packet in self.server.packets:
            self.wfile.write(packet)
        self.server.asked.wait(0 if self.server.ends else 30)
        self.close_connection = True

    def do_GET(self) -> None:
        self.json(b'{"ExitCode": 3, "Running": false}')

    def json(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def engine(folder: Path, *packets: bytes, ends: bool = True) -> Iterator[Container]:
    """A container on an engine that answers so."""
    path = folder / "docker.sock"
    with Engine(str(path), Handler) as server:
        server.packets, server.ends, server.asked = packets, ends, threading.Event()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        client = docker.DockerClient(base_url=f"unix://{path}", version="1.41")
        try:
            yield Container({"Id": "c"}, client=client)
        finally:
            client.close()
            server.asked.set()
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("size", [1, 7, 8, 9, 40, 10**6])
def test_what_came_with_the_head_of_an_answer_is_not_lost(tmp_path: Path, size: int) -> None:
    answer = HEAD + frame(1, b"begin") + frame(2, b"oh") + frame(1, b"") + frame(1, b" and end")
    packets = [answer[at : at + size] for at in range(0, len(answer), size)]
    with engine(tmp_path, *packets) as container:
        assert docker_exec.run(container, ["x"]) == docker_exec.Done(3, b"begin and end", b"oh")


def test_the_pieces_come_as_they_are_said(tmp_path: Path) -> None:
    with engine(tmp_path, HEAD + frame(1, b"a"), frame(2, b"b")) as container:
        assert list(docker_exec.Running(container, ["x"])) == [(1, b"a"), (2, b"b")]


def test_a_command_that_says_nothing_is_waited_for_no_longer_than_asked(tmp_path: Path) -> None:
    with engine(tmp_path, HEAD, ends=False) as container, pytest.raises(TimeoutError):
        docker_exec.run(container, ["x"], seconds=0.2)


def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    with engine(tmp_path, HEAD + frame(1, b"begin")[:-2]) as container, pytest.raises(ConnectionError):
        docker_exec.run(container, ["x"])
