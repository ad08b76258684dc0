"""What the gateway refuses, and that the engine saw none of it (security fault 23; controls 43, 44, 45, 48)."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from components.gateway import Limits
from tests.docker.gateway_harness import CHAT, KEYS, MODEL, Running, body, gateway, read_all

pytestmark = pytest.mark.docker

LIMITS = Limits(check_seconds=1, client_seconds=2, requests_per_minute=10000)
KEY = f"Authorization: Bearer {KEYS['alice']}\r\n"


@pytest.fixture(scope="module", params=["bookworm", "trixie"], ids=["2.6", "3.0"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway that the tests of this file share."""
    with gateway(request.param, tmp_path_factory.mktemp("gateway") / "files", LIMITS) as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_arrives(running: Running) -> Iterator[None]:
    """After each refusal: nothing reached the engine, and the gateway still serves."""
    running.engine.seen.clear()
    yield
    assert running.engine.seen == []
    with running.client() as client:
        assert client.post(CHAT, json=body()).status_code == 200


def refusal(response: httpx.Response, status: int, code: str) -> dict[str, str | None]:
    """The error when it has the expected status, code and shape."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == code
    return error


def post(path: str = CHAT, headers: str = KEY, content: bytes = b"", host: str = "localhost") -> bytes:
    """A request as it goes over the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + content


def status(answer: bytes) -> int:
    """The status of the first answer."""
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize("key", [None, "x" * 48, KEYS["alice"][:-1], KEYS["alice"] + "a", KEYS["alice"].upper(), ""])
def test_43_a_missing_or_wrong_key_is_401_and_says_how_to_authenticate(running: Running, key: str | None) -> None:
    with running.client(key) as client:
        response = client.post(CHAT, json=body())
    error = refusal(response, 401, "invalid_api_key")
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Basic {KEYS['alice']}"},
        {"Authorization": KEYS["alice"]},
        {"X-Api-Key": "x" * 48},
        {"X-Api-Key": f"{KEYS['alice']},{KEYS['bob']}"},
        {"Cookie": f"key={KEYS['alice']}"},
    ],
)
def test_43_a_key_in_the_wrong_place_does_not_count(running: Running, headers: dict[str, str]) -> None:
    with running.client(None, headers=headers) as client:
        refusal(client.post(f"{CHAT}?api_key={KEYS['alice']}", json=body()), 401, "invalid_api_key")


def test_43_the_digest_of_a_key_is_no_key(running: Running) -> None:
    for line in (running.files / "keys.map").read_text().splitlines():
        with running.client(line.split()[0]) as client:
            refusal(client.post(CHAT, json=body()), 401, "invalid_api_key")


DENIED = [
    ("POST", "/api/pull"),
    ("POST", "/api/push"),
    ("POST", "/api/create"),
    ("POST", "/api/copy"),
    ("DELETE", "/api/delete"),
    ("POST", "/api/blobs/sha256:00"),
    ("GET", "/api/me"),
    ("POST", "/api/signout"),
    ("GET", "/api/experimental"),
    ("GET", "/debug/pprof"),
    ("GET", "/debug/pprof/"),
    ("POST", "/invocations"),
    ("POST", "/pause"),
    ("POST", "//pause"),
    ("POST", "/tokenize"),
    ("POST", "/update_weights"),
    ("GET", "/metrics"),
    ("GET", "/healthz"),
    ("GET", "/health"),
    ("GET", "/"),
    ("GET", "/live"),
    ("GET", CHAT),
    ("PUT", CHAT),
    ("DELETE", CHAT),
    ("HEAD", "/v1/models"),
    ("POST", "/v1/models"),
    ("DELETE", f"/v1/models/{MODEL}"),
    ("OPTIONS", CHAT),
    ("TRACE", CHAT),
    ("CONNECT", CHAT),
    ("post", CHAT),
    ("POST", "/v1/chat/completions/"),
    ("POST", "/v1/chat/completions/../../../api/pull"),
    ("POST", "/v1/../api/pull"),
    ("POST", "/v1/%2e%2e/api/pull"),
    ("POST", "/v1/..%2fapi/pull"),
    ("POST", "/v1/..;/api/pull"),
    ("POST", "/./v1/chat/completions"),
    ("POST", "//v1/chat/completions"),
    ("POST", "/v1//chat/completions"),
    ("POST", "/v1%2fchat%2fcompletions"),
    ("POST", "/v1/chat%2Fcompletions"),
    ("POST", "/v1/chat\\completions"),
    ("POST", "/%76%31/chat/completions"),
    ("POST", "/v1/chat/completions%00"),
    ("POST", "/v1/chat/completions;x=1"),
    ("POST", "/V1/CHAT/COMPLETIONS"),
    ("GET", "/v1%2fmodels"),
]


@pytest.mark.parametrize(("method", "path"), DENIED)
def test_44_everything_that_is_not_on_the_list_is_404_even_with_a_key(running: Running, method: str, path: str) -> None:
    content = b"" if method == "GET" else json.dumps(body()).encode()
    answer = running.raw(post(path, content=content).replace(b"POST", method.encode(), 1))
    allowed = {404} if method in {"GET", "POST", "PUT", "DELETE", "OPTIONS"} else {400, 404}
    assert status(answer) in allowed, answer


@pytest.mark.parametrize("path", ["/api/pull", "/v1/../api/pull", "/metrics"])
def test_44_the_refusal_of_a_path_is_json(running: Running, path: str) -> None:
    answer = running.raw(post(path))
    assert status(answer) == 404
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]["code"] == "unknown_url"


@pytest.mark.parametrize("target", [f"http://localhost{CHAT}", f"http://evil.example{CHAT}", "*", "localhost:80", ""])
def test_44_a_target_that_is_not_a_path_is_refused(running: Running, target: str) -> None:
    assert status(running.raw(post(target))) in {400, 404}


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "evil.example:8080", "localhost@evil", "", "169.254.169.254", "[::1]"],
)
def test_45_another_host_name_is_refused(running: Running, host: str) -> None:
    assert status(running.raw(post(host=host, content=json.dumps(body()).encode()))) in {400, 421}


def test_45_two_host_names_are_refused(running: Running) -> None:
    for headers in ("Host: evil.example\r\n", "Host: localhost\r\nHost: evil.example\r\n"):
        assert status(running.raw(post(headers=KEY + headers))) in {400, 421}
    assert status(running.raw(post(host="localhost,evil.example"))) in {400, 421}


def test_45_no_host_name_is_refused(running: Running) -> None:
    for version in ("1.0", "1.1"):
        answer = running.raw(f"GET /v1/models HTTP/{version}\r\n{KEY}Connection: close\r\n\r\n".encode())
        assert status(answer) in {400, 421}


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost", "http://127.0.0.1:8080", ""])
def test_45_a_web_page_of_an_origin_that_is_not_listed_is_refused(running: Running, origin: str) -> None:
    with running.client(headers={"Origin": origin}) as client:
        response = client.post(CHAT, json=body())
        refusal(response, 403, "origin_not_allowed")
        assert "access-control-allow-origin" not in response.headers
        preflight = client.options(CHAT, headers={"Access-Control-Request-Method": "POST"})
        refusal(preflight, 403, "origin_not_allowed")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"[]",
        b'"text"',
        b"{",
        b'{"messages":[]}',
        b'{"model":null}',
        b'{"model":{"a":1}}',
        b'{"mod\\u0065l":"x"}',
        b'{"model":["' + MODEL.encode() + b'"]}',
        b'{"x":{"model":"' + MODEL.encode() + b'"}}',
        b"\xff\xfe",
        b"\x00",
    ],
)
def test_a_body_without_a_model_is_400_or_names_no_deployed_one(running: Running, content: bytes) -> None:
    with running.client() as client:
        response = client.post(CHAT, content=content)
    assert (response.status_code, response.json()["error"]["param"]) in {(400, "model"), (404, "model")}, response.text


def test_a_body_that_is_not_json_is_400_and_says_what_is_needed(running: Running) -> None:
    with running.client() as client:
        assert "field model" in str(refusal(client.post(CHAT, content=b"model=x"), 400, "invalid_json")["message"])


@pytest.mark.parametrize(
    "model", ["phi4-mini", "QWEN2.5-CODER:0.5b", "qwen2.5-coder", MODEL + " ", 'a"b\n%[src]é', "x" * 5000]
)
def test_an_unknown_model_is_404_and_names_what_is_deployed(running: Running, model: str) -> None:
    with running.client() as client:
        error = refusal(client.post(CHAT, json={"model": model}), 404, "model_not_found")
    assert str(error["message"]).endswith(f"is not deployed here; deployed: {MODEL}")
    assert str(error["message"]).startswith(model[:90].rstrip())


def sized(size: int) -> bytes:
    """A valid request of exactly this many bytes."""
    empty = len(json.dumps(body(pad="")))
    return json.dumps(body(pad="x" * (size - empty))).encode()


def pieces(content: bytes, size: int = 65536) -> Iterator[bytes]:
    """The content in pieces, which makes the client send it without a length."""
    for begin in range(0, len(content), size):
        yield content[begin : begin + size]


@pytest.mark.parametrize("size", [1024**2 + 1, 2 * 1024**2, 50 * 1024**2])
def test_43_a_body_above_the_limit_is_413(running: Running, size: int) -> None:
    answer, seconds = running.first_answer(post().replace(b"Content-Length: 0", f"Content-Length: {size}".encode()))
    assert status(answer) == 413
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]["code"] == "request_too_large"
    # Nothing of the body was sent: whoever had waited for it would have answered after the seconds of a slow client.
    assert seconds < 1, "refused by its announced length, not after reading it"


@pytest.mark.parametrize("size", [1024**2 + 1, 3 * 1024**2])
def test_43_a_body_above_the_limit_that_does_not_tell_its_length_is_413(running: Running, size: int) -> None:
    with running.client() as client:
        refusal(client.post(CHAT, content=pieces(sized(size))), 413, "request_too_large")


def test_43_large_headers_do_not_let_a_larger_body_through(running: Running) -> None:
    padding = {"X-Pad": "p" * 15_500} | {f"X-{n}": "" for n in range(60)}
    with running.client(headers=padding) as client:
        response = client.post(f"{CHAT}?{'q' * 4000}", content=pieces(sized(1024**2 + 1)))
    refusal(response, 413, "request_too_large")


def test_43_large_headers_are_431_and_huge_ones_400(running: Running) -> None:
    with running.client(headers={"X-Large": "a" * 17_000}) as client:
        refusal(client.post(CHAT, json=body()), 431, "headers_too_large")
        refusal(client.post(f"{CHAT}?{'q' * 5000}", json=body()), 431, "headers_too_large")
    many = "".join(f"x-{n}: 1\r\n" for n in range(150))
    assert status(running.raw(post(headers=KEY + many))) == 400


@pytest.mark.parametrize(
    "data",
    [
        b"POST /v1/chat",
        post()[:60],
        post().replace(b"Content-Length: 0", b"Content-Length: 500") + b'{"model":',
        post().replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"5\r\n{",
        b"",
    ],
    ids=["request line", "headers", "body", "chunk", "nothing"],
)
def test_43_a_client_that_sends_slowly_is_408_and_disconnected(running: Running, data: bytes) -> None:
    begin = time.monotonic()
    with socket.create_connection((running.address, 8080), timeout=30) as connection:
        connection.sendall(data)
        answer = connection.recv(65536)
        assert status(answer) == 408
        assert 1.5 < time.monotonic() - begin < 3
        answered = time.monotonic()
        read_all(connection)
    assert time.monotonic() - answered < 5, "the connection stayed open"


JSON = json.dumps(body()).encode()
HIDDEN = b"POST /api/pull HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(JSON), JSON)
HEAD = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\n{KEY}".encode()
SMUGGLED = {
    "two different lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef" + HIDDEN,
    "lengths in a list": HEAD + b"Content-Length: 5, 6\r\n\r\nabcdef" + HIDDEN,
    "negative length": HEAD + b"Content-Length: -1\r\n\r\n" + HIDDEN,
    "length with a sign": HEAD + b"Content-Length: +5\r\n\r\nabcde" + HIDDEN,
    "unknown coding": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKED + HIDDEN,
    "coding twice": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + CHUNKED + HIDDEN,
    "coding and more": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n" + CHUNKED + HIDDEN,
    "space before colon": HEAD + b"Transfer-Encoding : chunked\r\nContent-Length: 4\r\n\r\n" + CHUNKED + HIDDEN,
    "folded header": HEAD + b"Transfer-Encoding:\r\n chunked\r\nX: y\r\n folded\r\n\r\n" + HIDDEN,
    "empty name": HEAD + b": x\r\nContent-Length: 0\r\n\r\n" + HIDDEN,
    "control character": HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + CHUNKED + HIDDEN,
    "chunked in HTTP/1.0": HEAD.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED + HIDDEN,
    "chunked GET": b"GET /api/version HTTP/1.1\r\nHost: localhost\r\n"
    + KEY.encode()
    + b"Transfer-Encoding: chunked\r\n\r\n"
    + CHUNKED
    + HIDDEN,
    "chunked GET, body not sent yet": b"GET /api/version HTTP/1.1\r\nHost: localhost\r\n"
    + KEY.encode()
    + b"Transfer-Encoding: chunked\r\n\r\n",
    "GET with a body": b"GET /api/version HTTP/1.1\r\nHost: localhost\r\n"
    + KEY.encode()
    + b"Content-Length: %d\r\n\r\n" % len(HIDDEN)
    + HIDDEN,
    "bad chunk size": HEAD + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n" + JSON + b"\r\n0\r\n\r\n" + HIDDEN,
    "HTTP/2 without TLS": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0",
    "TLS on a plain port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64 + b"\r\n\r\n",
    "no HTTP": b"hello\r\n\r\n",
}


@pytest.mark.parametrize("name", SMUGGLED)
def test_a_request_with_an_ambiguous_end_is_refused_whole(running: Running, name: str) -> None:
    assert status(running.raw(SMUGGLED[name], 3)) in {400, 422}


def test_48_metrics_and_health_are_on_the_internal_port_only(running: Running) -> None:
    assert "haproxy_process_start_time_seconds" in running.internal("/metrics").text
    assert running.internal("/healthz").text == "ok"
    refused = running.internal("/v1/models")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "unknown_url")
    with running.client() as client:
        refusal(client.get("/metrics"), 404, "unknown_url")
        refusal(client.get("/healthz"), 404, "unknown_url")
