"""A tiny engine for measurements of the gateway: answers every request at once. `python -m bench.upstream PORT`."""

from __future__ import annotations

import asyncio
import json
import sys

BODY = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "bench",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "80"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 1, "total_tokens": 21},
    }
).encode()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


class Engine(asyncio.Protocol):
    """One connection: requests with a Content-Length or none, one after the other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._pending = transport, b""

    def data_received(self, data: bytes) -> None:
        self._pending += data
        while b"\r\n\r\n" in self._pending:
            head, _, rest = self._pending.partition(b"\r\n\r\n")
            head = head.lower()
            _, found, after = head.partition(b"content-length:")
            length = int(after.split(b"\r\n")[0]) if found else 0
            if len(rest) < length:
                return
            self._pending = rest[length:]
            self._transport.write(ANSWER)
            if b"connection: close" in head:
                self._transport.close()


async def serve(port: int) -> None:
    """Serve on the loopback address until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Engine, "127.0.0.1", port, backlog=512)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
