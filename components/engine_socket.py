"""An HAProxy that holds Docker's socket and lets through what is named, and nothing else (pure).

Whoever may speak to that socket is the machine's administrator: what a container may ask of it is told here alone.
"""

from __future__ import annotations

from collections.abc import Sequence

SOCKET = "/var/run/docker.sock"
"""Where a Docker target mounts the socket (components/targets/docker/agents.py)."""

_CONFIGURATION = """\
# Made by components/engine_socket.py; changes made here by hand are lost.
global
    log stdout format raw local0 warning
    maxconn {connections}

defaults
    mode http
    log global
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    timeout http-request 5s

frontend questions
    bind {bind}
    http-request deny deny_status 403 if {{ req.fhdr(upgrade) -m found }}
    {rules}
    default_backend engine

backend engine
    server engine unix@{socket}
"""


def configuration(bind: str, connections: int, rules: Sequence[str]) -> str:
    """The proxy's configuration file. `rules` are lines of its frontend, and have to deny what is not wanted."""
    return _CONFIGURATION.format(bind=bind, connections=connections, rules="\n    ".join(rules), socket=SOCKET)
