"""A client for measurements of the gateway: plain sockets, so that it costs little beside what it measures."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

Address = tuple[str, int]


class Caller:
    """Sends one request again and again, on one connection for as long as the other side keeps it open."""

    def __init__(self, port: int, request: bytes) -> None:
        self._port, self._request = port, request
        self._connection: socket.socket | None = None

    def call(self) -> float:
        """Seconds from the request, a new connection included where one is needed, to the end of the answer.

        Raises RuntimeError for another status than 200, OSError when nobody answers.
        """
        began = time.perf_counter()
        if self._connection is None:
            self._connection = socket.create_connection(("127.0.0.1", self._port), timeout=10)
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection.sendall(self._request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._receive()
        head, _, body = data.partition(b"\r\n\r\n")
        head = head.lower()
        if b" 200 " not in head[:16]:
            raise RuntimeError(f"answered {head[:40]!r} {body[:200]!r}")
        missing = int(head.partition(b"content-length:")[2].split(b"\r\n")[0]) - len(body)
        while missing > 0:
            missing -= len(self._receive())
        took = time.perf_counter() - began
        if b"connection: close" in head:
            self.close()
        return took

    def _receive(self) -> bytes:
        assert self._connection is not None
        if piece := self._connection.recv(65536):
            return piece
        raise ConnectionResetError("the connection was closed in the middle of an answer")

    def close(self) -> None:
        """Hang up."""
        if self._connection:
            self._connection.close()
            self._connection = None


def latencies(port: int, request: bytes, count: int, limit: float = 20) -> list[float]:
    """Seconds of up to `count` requests, one after the other, for at most `limit` seconds."""
    caller, found, end = Caller(port, request), [], time.monotonic() + limit
    for _ in range(count):
        found.append(caller.call())
        if time.monotonic() > end:
            break
    caller.close()
    return found


def _work(port: int, request: bytes, seconds: float) -> int:
    caller, calls, end = Caller(port, request), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        caller.call()
        calls += 1
    caller.close()
    return calls


@contextmanager
def crowd(clients: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that are clients."""
    with ProcessPoolExecutor(clients, mp_context=get_context("spawn")) as pool:
        # So that starting them is no part of what is measured.
        list(pool.map(time.sleep, [0.2] * clients))
        yield pool


def rate(pool: ProcessPoolExecutor, clients: int, port: int, request: bytes, seconds: float) -> float:
    """Requests per second of that many clients at once."""
    work = [pool.submit(_work, port, request, seconds) for _ in range(clients)]
    return sum(each.result() for each in work) / seconds
