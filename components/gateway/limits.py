"""Numbers a stack file may give the gateway, and how much memory they need."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from components.workload import Value

BASE_MIB = 64
"""Memory HAProxy takes beside the buffers of its connections: program, tables, TLS, per-thread work space (MiB)."""

REWRITE_KIB = 16
"""Room in a buffer beside headers and body (KiB): the URL, what HAProxy keeps free to add headers in, its own notes.

Too little would let a body without a length pass its limit: the buffer would be full before the body is too large.
"""

MAX_BODY_KIB = 100 * 1024


def whole(value: object) -> int:
    """The value when it is a whole number. Raises ValueError for text, fractions and yes/no."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r} is not a whole number")
    return value


def _port(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65535:
        raise ValueError(f"{value!r} is not a port; give a whole number, 1-65535")
    return value


Port = Annotated[int, BeforeValidator(_port), Field(ge=1, le=65535)]


def positive(value: object) -> int:
    """The value when it is a whole number above zero. Raises ValueError otherwise."""
    number = whole(value)
    if number <= 0:
        raise ValueError(f"{number} would let nothing or everything through; > 0 required")
    return number


Positive = Annotated[int, BeforeValidator(positive), Field(gt=0)]


def _body(value: object) -> int:
    number = whole(value)
    if not 0 < number <= MAX_BODY_KIB:
        raise ValueError(f"{number} KiB is outside 1-{MAX_BODY_KIB} (100 MiB); text needs about 1024, pictures 20480")
    return number


Body = Annotated[int, BeforeValidator(_body), Field(gt=0, le=MAX_BODY_KIB)]


class Limits(Value):
    """What one key, one request and one connection may take.

    Per API key: `requests_per_minute`, and `concurrent_requests` running or waiting at once.
    Per request: `body_kib` and `header_kib`, `client_seconds` to send it completely, `queue_seconds` to wait for a
    free place at the engine, `response_seconds` of silence from the engine (until its first byte and between bytes).
    `queue_length` is how many requests may wait for one engine, `max_connections` how many connections are open at
    once; more of them wait in the kernel. `check_seconds` is the time between two health checks of an engine.
    """

    requests_per_minute: Positive = 120
    concurrent_requests: Positive = 16
    body_kib: Body = 1024
    header_kib: Annotated[int, BeforeValidator(whole), Field(ge=4, le=64)] = 16
    max_connections: Annotated[int, BeforeValidator(positive), Field(le=20000)] = 160
    queue_seconds: Annotated[int, BeforeValidator(positive), Field(le=3600)] = 30
    queue_length: Annotated[int, BeforeValidator(whole), Field(ge=0, le=10000)] = 32
    response_seconds: Annotated[int, BeforeValidator(positive), Field(le=7200)] = 300
    client_seconds: Annotated[int, BeforeValidator(positive), Field(le=600)] = 15
    check_seconds: Annotated[int, BeforeValidator(positive), Field(le=60)] = 3

    @property
    def buffer_bytes(self) -> int:
        """Size of HAProxy's buffers: the largest allowed request, headers and body, fits into one."""
        return (self.body_kib + self.header_kib + REWRITE_KIB) * 1024

    @property
    def memory_mib(self) -> int:
        """Memory the gateway needs at worst: each connection with a full buffer in both directions (MiB)."""
        return BASE_MIB + -(-2 * self.max_connections * self.buffer_bytes // 2**20)
