"""The real gateway in front of an endpoint that someone else runs: encryption, certificates, keys and paths."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from components.engines.external import External
from components.gateway.upstream import key_file
from components.routes import route_outside
from tests.docker.certificates import Certificate, self_signed
from tests.docker.gateway_harness import CHAT, KEYS, Engine, Running, bridge, gateway, until

pytestmark = pytest.mark.docker

MODEL = "Org/Phi-4-mini"
KEY = "upstream-key-" + "u" * 32


class TlsEngine(Engine):
    """An engine that speaks TLS only."""

    def encrypt(self, certificate: Certificate) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)


@contextmanager
def in_front(
    folder: Path, suite: str, name: str = "", trusts: str = "", **settings: Any
) -> Iterator[tuple[Running, TlsEngine]]:
    """A gateway in front of an endpoint with a certificate for `name`; it trusts that one, or another."""
    with bridge() as (network, here):
        upstream = TlsEngine(here)
        upstream.start()
        own = self_signed(folder / "own", name or f"IP:{here}")
        upstream.encrypt(own)
        external = External(
            kind="external",
            target="local",
            url=f"https://{here}:{upstream.port}/openai/v1",
            model=MODEL,
            ca_certificates=trusts or own.pem,
            **{"key_secret": "cloud-key", **settings},
        )
        files = folder / "files"
        files.mkdir()
        extra = {"cloud-ca.pem": trusts or own.pem}
        extra["cloud.key"] = key_file(KEY, bearer=external.key_header == "authorization")
        routes = (route_outside("cloud", external),)
        try:
            with gateway(suite, files, routes=routes, network=network, extra_files=extra) as running:
                yield running, upstream
        finally:
            upstream.stop()


def ask(running: Running, **more: Any) -> httpx.Response:
    with running.client() as client:
        body = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]} | more
        return client.post(CHAT, json=body)


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_it_gets_the_request_with_its_own_key_host_and_path_and_nothing_of_the_client(
    tmp_path: Path, suite: str
) -> None:
    with in_front(tmp_path, suite) as (running, upstream):
        until(lambda: ask(running).status_code == 200, 60, f"an answer: {running.log()}")
        seen = next(s for s in upstream.seen if s.method == "POST")
        assert seen.path == f"/openai{CHAT}"
        assert seen.headers["authorization"] == f"Bearer {KEY}"
        assert seen.headers["host"] == f"{upstream.address}:{upstream.port}"
        assert not {"x-forwarded-for", "x-api-key", "cookie"} & seen.headers.keys()
        assert KEYS["alice"] not in str(seen)
        # A request may be answered before the first check has been made.
        until(lambda: any(s.method == "GET" for s in upstream.seen), 60, "a check")
        checked = next(s for s in upstream.seen if s.method == "GET")
        assert (checked.path, checked.headers["authorization"]) == ("/openai/v1/models", f"Bearer {KEY}")
        assert KEY not in running.log()
        answer = ask(running, tool_choice="none")
        assert answer.status_code == 400, "what it does not declare is refused here"


def test_a_stream_passes_piece_by_piece(tmp_path: Path) -> None:
    with in_front(tmp_path, "bookworm", key_header="api-key") as (running, upstream):
        until(lambda: ask(running).status_code == 200, 60, f"an answer: {running.log()}")
        assert upstream.seen[-1].headers["api-key"] == KEY
        assert "authorization" not in upstream.seen[-1].headers
        with running.client() as client:
            body = {"model": MODEL, "stream": True, "messages": [{"role": "user", "content": "hi"}]}
            with client.stream("POST", CHAT, json=body) as answer:
                pieces = [line for line in answer.iter_lines() if line.startswith("data: ")]
        assert len(pieces) == 5


@pytest.mark.parametrize("fault", ["unknown authority", "another name"])
def test_it_is_not_talked_to_when_its_certificate_is_not_its_own(tmp_path: Path, fault: str) -> None:
    other = self_signed(tmp_path / "other", "DNS:other.example")
    how = {"trusts": other.pem} if fault == "unknown authority" else {"name": "DNS:other.example"}
    with in_front(tmp_path, "bookworm", **how) as (running, upstream):
        until(lambda: ask(running).status_code == 503, 60, f"a refusal: {running.log()}")
        assert upstream.seen == []
