"""Weights from a neighbour, over real TLS: what it serves to whom, and what is done when it fails."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ops.fleet.authority import Authority
from tests.unit.fetch_harness import HUB_PATH, WEIGHTS, Fetch, Site, hub, program, serving, sha256
from tests.unit.fetch_publishers import FILES, hub_folder, pinned, publish_folder
from tests.unit.neighbour_harness import TOKEN, Near, sharing, way_to

pytestmark = pytest.mark.unit

PART = 300_000


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site(files={HUB_PATH: WEIGHTS})) as running:
        yield running


@pytest.fixture
def fetch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Fetch:
    return Fetch(tmp_path, capsys)


@pytest.fixture
def near(tmp_path: Path) -> Iterator[Near]:
    with sharing(tmp_path / "near", {"tiny.gguf": WEIGHTS}) as running:
        yield running


def ask(near: Near, path: str, token: str | None = TOKEN, **headers: str) -> httpx.Response:
    own = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(verify=near.trusted(), trust_env=False, timeout=60) as client:
        return client.get(f"https://127.0.0.1:{near.port}{path}", headers={**own, **headers})


def test_what_the_neighbour_has_does_not_cross_the_link(fetch: Fetch, site: Site, near: Near) -> None:
    outcome = fetch.run(near.source(), hub(site))
    assert outcome.code == 0, outcome.errors
    assert outcome.of("done")[0]["source"] == "neighbour"
    assert fetch.blob.read_bytes() == WEIGHTS
    assert site.requests == []
    assert TOKEN not in outcome.output + outcome.errors


def test_a_folder_comes_from_the_neighbour_file_by_file(fetch: Fetch, tmp_path: Path, site: Site) -> None:
    publish_folder(site)
    with sharing(tmp_path / "near", FILES) as near:
        outcome = fetch.run_folder(near.source(), hub_folder(site), files=pinned(FILES))
    assert outcome.code == 0, outcome.errors
    assert {path: (fetch.volume / path).read_bytes() for path in FILES} == FILES
    assert site.requests == []


def test_a_file_the_neighbour_lacks_comes_from_the_next_source(fetch: Fetch, tmp_path: Path, site: Site) -> None:
    publish_folder(site)
    lacking = "model-00002-of-00002.safetensors"
    with sharing(tmp_path / "near", {path: data for path, data in FILES.items() if path != lacking}) as near:
        outcome = fetch.run_folder(near.source(), hub_folder(site), files=pinned(FILES), streams=1)
    assert outcome.code == 0, outcome.errors
    assert fetch.record()["files"][lacking]["source"] == "huggingface"
    assert len(site.requests) < len(FILES)


def test_a_neighbour_that_is_gone_in_the_middle_is_gone_on_from_by_range(fetch: Fetch, site: Site, near: Near) -> None:
    with way_to(near.port, room=PART) as way:
        outcome = fetch.run(near.source(endpoint=f"https://127.0.0.1:{way.port}"), hub(site))
    assert outcome.code == 0, outcome.errors
    assert fetch.blob.read_bytes() == WEIGHTS
    (asked,) = site.asked(HUB_PATH)
    # TLS and the head of the answer are part of what came through.
    assert PART - 20_000 < int(asked["Range"].removeprefix("bytes=").removesuffix("-")) <= PART
    assert outcome.of("source-failed")[0]["source"] == "neighbour"


def test_a_link_to_the_neighbour_that_breaks_is_gone_on_with(fetch: Fetch, near: Near, site: Site) -> None:
    with way_to(near.port, room=PART) as way:
        source = near.source(endpoint=f"https://127.0.0.1:{way.port}")

        def mended(*_: object) -> None:
            way.room = 1 << 40

        retry = program("slm_fetch.report").Report.event

        def event(self: Any, name: str, **facts: Any) -> None:
            if name == "retry":
                mended()
            retry(self, name, **facts)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(program("slm_fetch.report").Report, "event", event)
            outcome = fetch.run(source, hub(site))
    assert outcome.code == 0, outcome.errors
    assert outcome.of("done")[0]["source"] == "neighbour"
    assert way.connections == 2
    assert site.requests == []


def test_a_neighbour_that_is_too_slow_is_given_up(fetch: Fetch, site: Site, near: Near) -> None:
    with way_to(near.port, rate=100_000) as way:
        source = near.source(endpoint=f"https://127.0.0.1:{way.port}", slowest=2_000_000, window=0.4)
        began = time.monotonic()
        outcome = fetch.run(source, hub(site))
    assert outcome.code == 0, outcome.errors
    assert "it is too slow" in outcome.of("source-failed")[0]["message"]
    assert time.monotonic() - began < 8, "all of it would have taken ten seconds by that way"
    assert fetch.blob.read_bytes() == WEIGHTS
    assert "Range" in site.asked(HUB_PATH)[0], "what came is kept"


def test_a_neighbour_fast_enough_is_never_given_up(fetch: Fetch, site: Site, near: Near) -> None:
    with way_to(near.port, rate=1_000_000) as way:
        # Slow enough that a machine which does nothing for a second is not taken for the neighbour.
        source = near.source(endpoint=f"https://127.0.0.1:{way.port}", slowest=10_000, window=0.2)
        assert fetch.run(source, hub(site)).of("done")[0]["source"] == "neighbour"


def test_a_neighbour_that_nobody_answers_for_is_left_soon(fetch: Fetch, site: Site, near: Near) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    outcome = fetch.run(near.source(endpoint=f"https://127.0.0.1:{port}"), hub(site))
    assert outcome.code == 0, outcome.errors
    assert outcome.of("done")[0]["source"] == "huggingface"


def test_wrong_bytes_are_deleted_and_the_next_source_serves(fetch: Fetch, tmp_path: Path, site: Site) -> None:
    wrong = bytes(reversed(WEIGHTS))
    with sharing(tmp_path / "near", {"tiny.gguf": wrong}, claimed={"tiny.gguf": sha256(WEIGHTS)}) as near:
        outcome = fetch.run(near.source(), hub(site))
    assert outcome.code == 0, outcome.errors
    assert sha256(WEIGHTS) in outcome.of("source-failed")[0]["message"]
    assert fetch.blob.read_bytes() == WEIGHTS


def test_wrong_bytes_half_way_are_not_blamed_on_the_source_that_goes_on(
    fetch: Fetch, tmp_path: Path, site: Site
) -> None:
    wrong = bytes(reversed(WEIGHTS))
    with (
        sharing(tmp_path / "near", {"tiny.gguf": wrong}, claimed={"tiny.gguf": sha256(WEIGHTS)}) as near,
        way_to(near.port, room=PART) as way,
    ):
        outcome = fetch.run(near.source(endpoint=f"https://127.0.0.1:{way.port}"), hub(site))
    assert outcome.code == 0, outcome.errors
    assert fetch.blob.read_bytes() == WEIGHTS
    assert ["Range" in headers for headers in site.asked(HUB_PATH)] == [True, False]


def test_a_source_that_is_wrong_itself_is_asked_twice_and_no_more(fetch: Fetch, site: Site, near: Near) -> None:
    site.files[HUB_PATH] = bytes(reversed(WEIGHTS))
    with way_to(near.port, room=PART) as way:
        outcome = fetch.run(near.source(endpoint=f"https://127.0.0.1:{way.port}"), hub(site))
    assert outcome.code == 4
    assert len(site.asked(HUB_PATH)) == 2
    assert not fetch.blob.exists()


def test_a_neighbour_of_another_fleet_is_not_trusted(fetch: Fetch, tmp_path: Path, site: Site, near: Near) -> None:
    other = Authority.of("other", tmp_path)
    other.ensure()
    # Nor is one whom only the site's own bundle trusts.
    bundle = str(near.authority.certificate_file)
    outcome = fetch.run(near.source(ca_file=str(other.certificate_file)), hub(site), ca_bundle=bundle)
    assert outcome.of("done")[0]["source"] == "huggingface"
    assert "CERTIFICATE_VERIFY_FAILED" in outcome.of("source-failed")[0]["message"]


def test_a_neighbour_is_asked_past_the_sites_proxy(
    fetch: Fetch, site: Site, near: Near, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    assert fetch.run(near.source(), hub(site)).of("done")[0]["source"] == "neighbour"


def test_a_wrong_token_is_told_and_not_shown(fetch: Fetch, tmp_path: Path, site: Site, near: Near) -> None:
    source = near.source()
    (tmp_path / "near/token").write_text("canary-of-yesterday-aaaaaaaaaaaaaaaaaaaaaaa")
    outcome = fetch.run(source, hub(site))
    assert outcome.code == 0, outcome.errors
    assert "refuses the token of this rollout" in outcome.of("source-failed")[0]["message"]
    assert "canary" not in outcome.output + outcome.errors


def test_an_authority_that_cannot_be_read_is_no_reason_to_stop(fetch: Fetch, site: Site, near: Near) -> None:
    outcome = fetch.run(near.source(ca_file="/nowhere/ca.pem"), hub(site))
    assert outcome.of("done")[0]["source"] == "huggingface"


def test_weights_that_are_not_pinned_are_not_taken_from_a_neighbour(fetch: Fetch, site: Site, near: Near) -> None:
    files = [{"path": "tiny.gguf", "size_bytes": len(WEIGHTS), "sha256": None}]
    before = near.server.asked
    outcome = fetch.run(near.source(), hub(site), files=files)
    assert "pinned files only" in outcome.of("source-failed")[0]["message"]
    assert near.server.asked == before, "it was not even asked"


@pytest.mark.parametrize(
    ("token", "status"), [(None, 401), ("", 401), ("x" * 46, 401), (TOKEN[:-1], 401), (TOKEN + "x", 401), (TOKEN, 200)]
)
def test_only_who_has_the_token_gets_anything(near: Near, token: str | None, status: int) -> None:
    answer = ask(near, f"/{sha256(WEIGHTS)}", token)
    assert answer.status_code == status
    assert (answer.content == WEIGHTS) == (status == 200)


@pytest.mark.parametrize(
    "path", ["/", "/tiny.gguf", "/../../etc/passwd", "/%2e%2e/token", f"/{'0' * 64}", f"/weights/{sha256(WEIGHTS)}"]
)
def test_nothing_but_the_offered_content_can_be_asked_for(near: Near, path: str) -> None:
    answer = ask(near, path)
    assert (answer.status_code, answer.content) == (404, b"")


def test_other_methods_are_refused(near: Near) -> None:
    with httpx.Client(verify=near.trusted(), trust_env=False, timeout=60) as client:
        for method in ("POST", "PUT", "DELETE", "HEAD", "PATCH"):
            answer = client.request(method, f"https://127.0.0.1:{near.port}/{sha256(WEIGHTS)}")
            assert answer.status_code == 501, method


def test_ranges_are_answered(near: Near) -> None:
    path = f"/{sha256(WEIGHTS)}"
    part = ask(near, path, Range="bytes=1000-")
    assert (part.status_code, part.content) == (206, WEIGHTS[1000:])
    assert part.headers["Content-Range"] == f"bytes 1000-{len(WEIGHTS) - 1}/{len(WEIGHTS)}"
    assert ask(near, path, Range=f"bytes={len(WEIGHTS)}-").status_code == 416
    assert ask(near, path, Range="bytes=5-9").status_code == 200, "a form nobody uses is ignored, as HTTP allows"


def test_a_file_that_was_changed_is_not_served(near: Near) -> None:
    (near.folder / "weights/tiny.gguf").write_bytes(b"other")
    assert ask(near, f"/{sha256(WEIGHTS)}").status_code == 404


def test_who_says_nothing_holds_up_nobody(near: Near) -> None:
    with socket.create_connection(("127.0.0.1", near.port)):
        assert ask(near, f"/{sha256(WEIGHTS)}").status_code == 200


def test_more_connections_than_it_has_room_for_are_closed_at_once(near: Near) -> None:
    most = program("slm_fetch.serve").MOST_CONNECTIONS
    silent = [socket.create_connection(("127.0.0.1", near.port)) for _ in range(most)]
    try:
        time.sleep(0.3)
        with pytest.raises(httpx.TransportError):
            ask(near, f"/{sha256(WEIGHTS)}")
    finally:
        for connection in silent:
            connection.close()
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            assert ask(near, f"/{sha256(WEIGHTS)}").status_code == 200
        except httpx.TransportError:
            time.sleep(0.05)
            continue
        return
    raise AssertionError("it did not recover")


def test_without_tls_nobody_is_answered(near: Near) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{near.port}/{sha256(WEIGHTS)}", trust_env=False)


def offer(near: Near, **changes: Any) -> dict[str, Any]:
    near.source()
    own = str(near.folder / "own.pem")
    return {
        "address": "127.0.0.1",
        "port": 0,
        "idle": 0.3,
        "token_file": str(near.folder / "token"),
        "certificate_file": own,
        "key_file": own,
        "files": [{"file": str(near.folder / "weights/tiny.gguf"), "size_bytes": 5, "sha256": sha256(WEIGHTS)}],
    } | changes


def test_it_ends_by_itself_and_says_what_it_has(near: Near, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "offer.json").write_text(json.dumps(offer(near)))
    began = time.monotonic()
    assert program("slm_fetch.serve").main([str(tmp_path / "offer.json")]) == 0
    assert 0.3 <= time.monotonic() - began < 3
    first, last = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    # A file of another size than the offer says is not the one that was verified.
    assert (first["event"], first["sha256"]) == ("serving", [])
    assert last["event"] == "ended"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"token_file": "/nowhere"}, "FileNotFoundError"),
        ({"certificate_file": "/dev/null"}, "SSLError"),
        ({"files": [{"file": "/x", "size_bytes": 1, "sha256": "../x"}]}, "no sha256"),
        ({"port": "many"}, "ValueError"),
    ],
)
def test_an_offer_that_cannot_be_served_ends_in_words(
    near: Near, tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], words: str
) -> None:
    (tmp_path / "offer.json").write_text(json.dumps(offer(near, **changes)))
    assert program("slm_fetch.serve").main([str(tmp_path / "offer.json")]) == 2
    assert words in capsys.readouterr().err


def test_a_short_token_is_refused(near: Near, tmp_path: Path) -> None:
    described = offer(near)
    (near.folder / "token").write_text("short")
    with pytest.raises(ValueError, match="too short"):
        program("slm_fetch.serve").serve(described)
