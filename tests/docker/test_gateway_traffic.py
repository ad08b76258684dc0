"""What the gateway lets through, what it changes on the way, and the limits of a key (controls 43, 45, 46)."""

from __future__ import annotations

import datetime
import json
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import openai
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from components.gateway import Limits, Tls, workload
from ops import docker_exec
from tests.docker.gateway_harness import CHAT, KEYS, MODEL, QUICK, Running, body, by_turns, gateway, until

pytestmark = pytest.mark.docker

ORIGIN = "https://chat.example.com"


@pytest.fixture(scope="module", params=["bookworm", "trixie"], ids=["2.6", "3.0"])
def suite(request: pytest.FixtureRequest) -> str:
    """The Debian suite, and with it the version of HAProxy."""
    return str(request.param)


@pytest.fixture(scope="module")
def shared(suite: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway with generous limits for tests that leave no trace in it."""
    # An engine's silence ends long after a client's hang-up must have been noticed.
    limits = Limits(check_seconds=1, client_seconds=2, response_seconds=60, requests_per_minute=100_000)
    with gateway(suite, tmp_path_factory.mktemp("gateway") / "files", limits, origins=(ORIGIN,)) as made:
        yield made


@pytest.fixture
def running(shared: Running) -> Running:
    """The shared gateway, its engine's memory empty."""
    shared.engine.seen.clear()
    shared.engine.hung_up.clear()
    return shared


def test_the_rendered_configuration_has_no_warning_from_haproxy_itself(running: Running) -> None:
    result = docker_exec.run(running.container, ["haproxy", "-c", "-dW", "-f", "/etc/slm/haproxy.cfg"])
    assert result.exit_code == 0, result.errors.decode()
    assert b"WARNING" not in result.output + result.errors


def test_the_health_command_of_the_workload_says_whether_it_serves(running: Running) -> None:
    probe = workload(running.settings, running.routes, running.image).probe
    assert probe
    assert running.container.exec_run(list(probe.command)).exit_code == 0
    elsewhere = [word.replace("8404", "8405") for word in probe.command]
    assert running.container.exec_run(elsewhere).exit_code != 0


@pytest.mark.parametrize("key", KEYS.values())
@pytest.mark.parametrize("header", ["Authorization", "authorization", "X-Api-Key"])
def test_43_each_key_works_in_both_headers(running: Running, key: str, header: str) -> None:
    value = key if header == "X-Api-Key" else f"Bearer {key}"
    with running.client(None, headers={header: value}) as client:
        assert client.post(CHAT, json=body()).json()["model"] == MODEL
    assert len(running.engine.seen) == 1


def test_46_the_engine_sees_no_key_and_nothing_a_client_claims_about_itself(running: Running) -> None:
    claims = {
        "X-Forwarded-For": "1.2.3.4",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Email": "root@example.com",
        "X-Forwarded-User": "root",
        "X-Forwarded-Prefix": "/x",
        "X-Real-IP": "1.2.3.4",
        "Forwarded": "for=1.2.3.4",
        "X-Auth-Request-User": "root",
        "X-Auth-Request-Email": "root@example.com",
        "X-Remote-User": "root",
        "Remote-User": "root",
        "X-Request-Id": "chosen-by-client",
        "X-Api-Key": KEYS["bob"],
        "Cookie": "session=1",
        "Proxy": "http://evil.example",
        "X-Original-URL": "/api/pull",
        "X-HTTP-Method-Override": "DELETE",
        "X_Forwarded_User": "root",
        "Accept-Encoding": "gzip",
        "Accept": "text/event-stream",
        "Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
    with running.client(headers=claims) as client:
        response = client.post(CHAT, json=body())
    seen = running.engine.seen[0].headers
    here = running.engine.address
    assert seen.pop("x-request-id") == response.headers["x-request-id"] != "chosen-by-client"
    assert seen.pop("host") == f"{here}:{running.engine.port}"
    assert seen.pop("traceparent") == claims["Traceparent"]
    assert seen.pop("accept") == "text/event-stream"
    assert seen.pop("x-forwarded-for") == here, "the client's address in the test network"
    assert set(seen) <= {"content-type", "content-length", "user-agent", "connection"}


def test_an_offer_to_change_the_protocol_does_not_reach_the_engine(running: Running) -> None:
    upgrade = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAoAAAAAIAAAAA"}
    with running.client(headers=upgrade) as client:
        assert client.post(CHAT, json=body()).status_code == 200
    assert not {"upgrade", "http2-settings"} & set(running.engine.seen[0].headers)


def test_when_a_request_has_both_framings_the_engine_gets_one_request_with_one_and_the_connection_ends(
    running: Running,
) -> None:
    content = json.dumps(body()).encode()
    hidden = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
    head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEYS['alice']}\r\n".encode()
    both = b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(content), content)
    answer = running.raw(head + both + hidden, 3)
    assert answer.count(b"HTTP/1.1 ") == 1, answer
    assert [(s.path, s.body) for s in running.engine.seen] == [(CHAT, content)]
    assert "content-length" not in running.engine.seen[0].headers


@pytest.mark.parametrize("size", [1024**2 - 1, 1024**2])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_up_to_the_limit_arrives_unchanged(running: Running, size: int, chunked: bool) -> None:
    content = json.dumps(body(pad="x" * (size - len(json.dumps(body(pad="")))))).encode()
    assert len(content) == size
    sent = (content[i : i + 10_000] for i in range(0, size, 10_000)) if chunked else content
    with running.client() as client:
        assert client.post(CHAT, content=sent).status_code == 200
    assert running.engine.seen[0].body == content


def test_the_model_may_stand_anywhere_in_the_body(running: Running) -> None:
    nested = {"type": "object", "properties": {"a": {"items": [{"anyOf": [{"model": "other"}]}]}}}
    with running.client() as client:
        late = {"messages": [{"role": "user", "content": 'say "model": "phi"'}], "tools": [nested], "model": MODEL}
        assert client.post(CHAT, json=late).status_code == 200


def test_the_models_that_are_deployed_are_listed_by_the_gateway_itself(running: Running) -> None:
    with running.client() as client:
        listed = client.get("/v1/models").json()
        assert [m["id"] for m in listed["data"]] == [MODEL]
        for path in (f"/v1/models/{MODEL}", f"/v1/models/{MODEL.replace(':', '%3A')}"):
            assert client.get(path).json()["id"] == MODEL
        assert client.get("/v1/models/other").status_code == 404
        assert client.get("/api/version").json() == {"path": "/api/version"}
    assert [s.path for s in running.engine.seen] == ["/api/version"]
    with running.client(None) as client:
        assert client.get("/v1/models").status_code == 401


def test_the_openai_client_works_and_gets_its_own_kinds_of_errors(running: Running) -> None:
    def client(key: str) -> openai.OpenAI:
        http = httpx.Client(headers={"Host": "localhost"})
        return openai.OpenAI(base_url=f"http://{running.address}:8080/v1", api_key=key, max_retries=0, http_client=http)

    with client(KEYS["alice"]) as good, client("x" * 40) as bad:
        assert [m.id for m in good.models.list()] == [MODEL]
        assert good.models.retrieve(MODEL).id == MODEL
        chunks = good.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "x"}], stream=True, extra_body={"n": 3, "pause": 0}
        )
        assert len(list(chunks)) == 3
        with pytest.raises(openai.AuthenticationError, match="No valid API key"):
            bad.models.list()
        with pytest.raises(openai.NotFoundError, match=r"deployed: qwen2\.5-coder:0\.5b") as caught:
            good.chat.completions.create(model="gpt-5", messages=[])
        assert caught.value.code == "model_not_found"
        assert caught.value.request_id


def test_each_piece_of_a_stream_arrives_when_it_was_sent(running: Running) -> None:
    asked = body(stream=True, user="turns", n=6)
    with running.client() as client, client.stream("POST", CHAT, json=asked) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        assert len(by_turns(answer, running.engine, 6)) == 6


def test_a_stream_may_pause_longer_than_a_client_may(running: Running) -> None:
    assert running.settings.limits.client_seconds < 2.7
    with running.client() as client, client.stream("POST", CHAT, json=body(stream=True, n=2, pause=2.7)) as answer:
        assert sum(line.startswith("data:") for line in answer.iter_lines()) == 2


@pytest.mark.parametrize(
    "request_body",
    [
        body(user="silent"),
        body(user="silent", stream=True),
        body(user="headers", stream=True),
        body(stream=True, n=200, pause=0.05),
    ],
    ids=["whole", "stream before its headers", "stream before its first token", "stream"],
)
def test_the_engine_notices_when_the_client_hangs_up(running: Running, request_body: dict[str, object]) -> None:
    content = json.dumps(request_body).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEYS['alice']}\r\n"
    with socket.create_connection((running.address, 8080), timeout=20) as connection:
        connection.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(content) + content)
        until(lambda: len(running.engine.seen) == 1, 20, "the request at the engine")
        if "user" in request_body:
            time.sleep(0.5)
        else:
            begun = b""
            while b"data:" not in begun:
                piece = connection.recv(65536)
                assert piece, "the stream ended before its first piece"
                begun += piece
    assert running.engine.hung_up.wait(20)


def test_45_only_a_listed_origin_gets_cors_headers_and_never_a_star(running: Running) -> None:
    with running.client(headers={"Origin": ORIGIN}) as client:
        answer = client.post(CHAT, json=body())
    assert answer.headers.get_list("access-control-allow-origin") == [ORIGIN], "the engine's own '*' is gone"
    assert answer.headers["vary"] == "Origin"
    assert "origin" not in running.engine.seen[0].headers
    ask = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    with running.client(None, headers=ask) as client:
        preflight = client.options(CHAT)
        refused = client.post(CHAT, json=body())
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    assert preflight.headers["access-control-allow-headers"] == "authorization"
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == ORIGIN, "so that the page can show the error"
    assert len(running.engine.seen) == 1, "a preflight never reaches the engine"
    with running.client() as client:
        assert "access-control-allow-origin" not in client.post(CHAT, json=body()).headers


def test_the_access_log_is_json_and_knows_the_key_only_by_its_id(running: Running) -> None:
    secret = "canary-prompt-8d1f"
    with running.client() as client, running.client("canary-key-8d1f" * 4) as stranger:
        answers = [
            client.post(f"{CHAT}?q=canary-query-8d1f", json=body(pad=secret)),
            client.post('/api/"pull"?q=canary-query-8d1f'),
            stranger.post(CHAT, json=body()),
        ]
    request_id, *others = (answer.headers["x-request-id"] for answer in answers)
    until(lambda: all(one in running.log() for one in (request_id, *others)), 30, "a line of each request")
    log = running.log()
    for canary in (secret, "canary-query-8d1f", "canary-key-8d1f", *KEYS.values()):
        assert canary not in log
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    (line,) = [entry for entry in lines if entry["id"] == request_id]
    assert (line["key"], line["method"], line["path"], line["status"]) == ("alice", "POST", CHAT, 200)
    assert line["to"] == "engine-chat"


def test_43_a_key_that_used_up_its_minute_gets_429_and_the_other_key_does_not(suite: str, tmp_path: Path) -> None:
    with gateway(suite, tmp_path / "files", Limits(requests_per_minute=5)) as running:
        with running.client() as client:
            statuses = [client.post(CHAT, json=body()).status_code for _ in range(9)]
            refused = client.post(CHAT, json=body())
        with running.client(KEYS["bob"]) as other:
            assert other.post(CHAT, json=body()).status_code == 200
    assert statuses == [200] * 5 + [429] * 4
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert refused.headers["retry-after"] == "60"
    assert len(running.engine.seen) == 6


def test_43_a_key_may_have_so_many_requests_at_once_and_the_next_gets_429(suite: str, tmp_path: Path) -> None:
    limits = Limits(concurrent_requests=2)
    with gateway(suite, tmp_path / "files", limits) as running, ThreadPoolExecutor(4) as pool:  # noqa: SIM117
        with running.client() as client, running.client(KEYS["bob"]) as other:
            waiting = [pool.submit(client.post, CHAT, json=body(user="wait")) for _ in range(2)]
            until(lambda: len(running.engine.seen) == 2, 30, "two requests at the engine")
            refused = client.post(CHAT, json=body())
            theirs = pool.submit(other.post, CHAT, json=body())
            running.engine.gate.set()
            assert [w.result().status_code for w in waiting] == [200, 200]
            assert theirs.result().status_code == 200
            assert client.post(CHAT, json=body()).status_code == 200, "the places are free again"
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "concurrency_limit_exceeded")
    assert int(refused.headers["retry-after"]) >= 1


def test_requests_above_what_the_engine_works_on_wait_in_a_bounded_queue(suite: str, tmp_path: Path) -> None:
    # Seconds in which a busy machine has long filled the queue, and asked once more.
    limits = QUICK.model_copy(update={"queue_length": 2, "queue_seconds": 8, "response_seconds": 60})
    here = 'haproxy_backend_current_sessions{proxy="engine-chat"} 4'
    with (
        gateway(suite, tmp_path / "files", limits) as running,
        ThreadPoolExecutor(8) as pool,
        running.client() as client,
    ):
        working = [pool.submit(client.post, CHAT, json=body(user="wait")) for _ in range(2)]
        until(lambda: len(running.engine.seen) == 2, 30, "two requests at the engine")
        begin = time.monotonic()
        queued = [pool.submit(client.post, CHAT, json=body()) for _ in range(2)]
        until(lambda: here in running.internal("/metrics").text, 6, "two more in the queue")
        at_once = time.monotonic()
        full = client.post(CHAT, json=body())
        assert time.monotonic() - at_once < limits.queue_seconds / 2, "it was not let into the queue"
        assert (full.status_code, full.json()["error"]["code"]) == (503, "engine_overloaded")
        assert full.headers["retry-after"]
        for late in queued:
            assert (late.result().status_code, late.result().json()["error"]["code"]) == (503, "engine_unavailable")
            assert late.result().headers["retry-after"]
        assert limits.queue_seconds - 0.2 < time.monotonic() - begin < limits.queue_seconds + 3
        assert len(running.engine.seen) == 2, "the engine was never asked for more than it works on"
        again = pool.submit(client.post, CHAT, json=body())
        running.engine.gate.set()
        assert again.result().status_code == 200, "a place became free while it waited"
        assert [w.result().status_code for w in working] == [200, 200]


def test_a_flood_of_large_requests_stays_within_the_memory_that_the_settings_promise(
    suite: str, tmp_path: Path
) -> None:
    limits = Limits(concurrent_requests=10_000, requests_per_minute=100_000, client_seconds=20)
    with gateway(suite, tmp_path / "files", limits) as running:
        head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEYS['alice']}\r\n".encode()
        flood = head + b"Content-Length: %d\r\n\r\n" % 1024**2 + b"x" * (1024**2 - 1)
        connections = []
        for _ in range(limits.max_connections):
            connection = socket.create_connection((running.address, 8080), timeout=60)
            connection.sendall(flood)
            connections.append(connection)
        used = running.container.stats(stream=False)["memory_stats"]
        assert running.internal("/healthz").status_code == 200, "metrics and health have connections of their own"
        for connection in connections:
            connection.close()
        with running.client() as client:
            until(lambda: client.post(CHAT, json=body()).status_code == 200, 60, "serves again")
        running.container.reload()
        assert running.container.attrs["RestartCount"] == 0
        assert running.container.attrs["State"]["Pid"]
    assert used["usage"] > 100 * 2**20, "the test must really fill buffers"
    assert used.get("max_usage", used["usage"]) < limits.memory_mib * 2**20


def test_tls_has_its_minimum_and_the_key_is_read_from_its_own_file(suite: str, tmp_path: Path) -> None:
    pem, key = certificate()
    tls = Tls(certificate="gateway-cert", key="gateway-key", minimum="1.3")
    files = {"tls.pem": pem, "tls.pem.key": key}
    with gateway(suite, tmp_path / "files", extra_files=files, tls=tls, hosts=("localhost",)) as running:
        context = ssl.create_default_context(cadata=pem)
        context.check_hostname = False  # The certificate is for localhost; the test reaches the container by address.
        with running.client(verify=context) as client:
            answer = client.post(CHAT, json=body())
            assert answer.status_code == 200
            assert answer.headers["strict-transport-security"]
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with running.client(verify=context) as client, pytest.raises(httpx.ConnectError, match=r"(?i)version|alert"):
            client.post(CHAT, json=body())


def certificate() -> tuple[str, str]:
    """A self-signed certificate for localhost and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM).decode(), private.decode()
