"""The plugin's process: `python -m rehearsal.providers.azure ENGINE_ADDRESS`, as the Pulumi engine starts it."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from rehearsal.providers.azure.servicer import AzureServicer

_CALLS_AT_ONCE = 128
"""Threads: the engine calls for every resource at once, and a slow creation holds its thread."""

_LARGEST_MESSAGE = 400 * 1024 * 1024
"""Bytes; what the engine itself allows."""


def main() -> None:
    """Serve on a free port of loopback, print it, and end with the engine."""
    engine = os.getppid()
    server = grpc.server(
        ThreadPoolExecutor(_CALLS_AT_ONCE),
        options=[
            ("grpc.max_receive_message_length", _LARGEST_MESSAGE),
            ("grpc.max_send_message_length", _LARGEST_MESSAGE),
        ],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(AzureServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)

    def end(_: int, __: FrameType | None) -> None:
        server.stop(grace=None)

    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, end)
    # An engine that was killed cannot say so; whoever lost its parent must not stay behind.
    while server.wait_for_termination(timeout=1) and os.getppid() == engine:
        pass
    server.stop(grace=None)


if __name__ == "__main__":
    main()
