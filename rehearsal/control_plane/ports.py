"""Ports on loopback."""

from __future__ import annotations

import socket

from rehearsal.control_plane.errors import PortTaken

LOOPBACK = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on now. All differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind((LOOPBACK, 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def require_free(port: int) -> None:
    """Raises PortTaken when something listens on the port already."""
    with socket.socket() as probe:
        # As the API server itself does: a port whose last connections are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise PortTaken(
                f"Port {port} of {LOOPBACK} cannot be had for the API server: {error.strerror}",
                fix=f"end what listens there (ss -ltnp 'sport = :{port}' names it), or leave the port out: a free one "
                "is found then",
            ) from error
