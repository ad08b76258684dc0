"""No check of the conformance suite passes against a server that answers everything, carelessly."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, get_args

import pytest

from components.engines.base import Capability
from tests.conformance import CHECKS, Target

pytestmark = pytest.mark.unit

ALL = frozenset(get_args(Capability))
ABOUT_WAITING = {"one_client_asks_again_and_again", "a_cancelled_request_frees_its_place"}
"""A server that is quick and never closes a connection passes these, and rightly so."""

HARMLESS = {"empty_content_is_answered_or_refused"}
"""Both answers are right; only none, or one without usage, is wrong."""


class Careless(BaseHTTPRequestHandler):
    """Answers every request with 200 and something else each time."""

    protocol_version = "HTTP/1.1"
    numbers = itertools.count(1)

    def _answer(self) -> None:
        number = next(self.numbers)
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            asked = json.loads(sent)
        except ValueError:
            asked = {}
        text = f"\ufffd{number} pieces"
        if asked.get("stream"):
            pieces = [{"object": "x", "choices": [{"index": 0, "delta": {"content": text}, "text": text}]}] * 2
            events = [*(piece | {"id": str(number)} for piece in pieces), {"choices": [], "usage": {"total_tokens": 1}}]
            body = "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()
        else:
            message = {"role": "user", "content": text}
            choice = {"index": 3, "message": message, "text": text, "finish_reason": "eos"}
            usage = {"prompt_tokens": number, "completion_tokens": number + 100, "total_tokens": 3}
            answer = {"id": "same", "object": "x", "model": "x", "created": 1, "choices": [choice], "usage": usage}
            body = json.dumps(answer | {"data": []}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Encoding", "identity")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_HEAD = _answer

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        # Clients that leave are part of the checks.
        pass


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = Server(("127.0.0.1", 0), Careless)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


def passes(endpoint: str, check: str, capabilities: frozenset[Capability]) -> bool:
    """Whether the careless server passes a check as an engine with these capabilities."""
    target = Target(endpoint, "key", "m", capabilities, context=64, concurrency=2, talks=True, timeout=10)
    try:
        CHECKS[check](target)
    # A failed `pytest.raises` is no subclass of Exception.
    except (Exception, pytest.fail.Exception):
        return False
    finally:
        target.close()
    return True


@pytest.mark.parametrize("check", sorted(CHECKS.keys() - ABOUT_WAITING - HARMLESS))
def test_carelessness_does_not_pass(endpoint: str, check: str) -> None:
    assert not (passes(endpoint, check, ALL) and passes(endpoint, check, frozenset()))


def test_the_suite_is_as_large_as_promised() -> None:
    assert len(CHECKS) >= 25
