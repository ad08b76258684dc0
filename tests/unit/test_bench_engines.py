"""The comparison of engines: what is measured of a server whose times are known, and what the report makes of it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bench import engines_container
from bench.engines import Bench, report
from bench.engines_container import address, start_up, working_set
from bench.engines_load import Group, Route, Sample, at_once, long_text, story
from bench.engines_report import DIRECT, GATEWAY, Measured, cost_per_million, document, markdown, write
from bench.plot import draw
from ops.errors import UserError

pytestmark = pytest.mark.unit

FIRST, PIECE, PIECES = 0.15, 0.05, 5
STREAMS = 8


class Engine(BaseHTTPRequestHandler):
    """Streams PIECES tokens: the first after FIRST seconds, each further one after PIECE.

    The model "together" answers nobody before STREAMS have asked.
    """

    protocol_version = "HTTP/1.1"
    asked: list[dict[str, Any]]
    together: threading.Barrier

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(body)
        if body["model"] == "broken":
            self._send(503, b'{"error": {"message": "no"}}')
            return
        if body["model"] == "together":
            self.together.wait(60)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self._event({"choices": [{"delta": {"role": "assistant", "content": ""}}]})
        for number in range(PIECES):
            time.sleep(PIECE if number else FIRST)
            piece = {"text": "x"} if self.path.endswith("/v1/completions") else {"delta": {"content": "x"}}
            self._event({"choices": [piece]})
        if body["model"] != "uncounted":
            self._event({"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": PIECES}})
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def _event(self, event: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def engine() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A base URL, and what was asked there."""
    handler = type("Recorded", (Engine,), {"asked": [], "together": threading.Barrier(STREAMS)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1", handler.asked  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_base_model_is_asked_to_go_on_with_a_text(engine: tuple[str, list[dict[str, Any]]]) -> None:
    (sample,) = at_once(Route(engine[0], "key", "m", chat=False), [story(1)], 64).samples
    assert sample.tokens == PIECES
    assert FIRST <= sample.first < sample.total
    assert engine[1][0]["prompt"] == story(1)
    assert "messages" not in engine[1][0]


def test_times_and_tokens_are_what_the_engine_did(engine: tuple[str, list[dict[str, Any]]]) -> None:
    groups = [at_once(Route(engine[0], "key", "m"), [story(1)], 64) for _ in range(5)]
    for group in groups:
        (sample,) = group.samples
        assert (sample.prompt_tokens, sample.tokens) == (20, PIECES)
        # A busy machine may make both later, and nothing can make them sooner: the role alone is no token.
        assert FIRST <= sample.first < sample.total
        assert FIRST + (PIECES - 1) * PIECE <= sample.total <= group.wall
        assert sample.decode == pytest.approx((PIECES - 1) / (sample.total - sample.first))
    # The quickest has least of what else the machine did in it: it is the time of the first token, not of the last.
    assert min(group.samples[0].first for group in groups) < FIRST + (PIECES - 1) * PIECE


def test_streams_run_at_once_and_count_together(engine: tuple[str, list[dict[str, Any]]]) -> None:
    one = at_once(Route(engine[0], "key", "m"), [story(1)], 64)
    eight = at_once(Route(engine[0], "key", "together"), [story(n) for n in range(STREAMS)], 64)
    assert len(eight.samples) == STREAMS, "had they waited for each other, none would have been answered"
    assert eight.rate > one.rate


def test_what_is_asked_is_the_same_for_every_engine_and_never_cached(engine: tuple[str, list[dict[str, Any]]]) -> None:
    at_once(Route(engine[0], "key", "m"), [story(1), story(2)], 7)
    assert {body["max_tokens"] for body in engine[1]} == {7}
    assert len({body["messages"][0]["content"] for body in engine[1]}) == 2
    assert story(3) == story(3)
    assert len({story(n).split(":")[0] for n in range(200)}) == 200, "prompts differ from their beginning on"
    texts = [long_text(n, 300) for n in range(1, 20)]
    assert len({text[:40] for text in texts}) == len(texts)
    assert all(len(text.split()) > 300 for text in texts)


@pytest.mark.parametrize(("model", "words"), [("broken", "answered 503"), ("uncounted", "no usage")])
def test_what_cannot_be_measured_says_so(engine: tuple[str, list[dict[str, Any]]], model: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        at_once(Route(engine[0], "key", model), [story(1)], 4)


def test_nobody_there_is_said_without_the_key() -> None:
    with pytest.raises(UserError, match="does not answer") as raised:
        at_once(Route("http://127.0.0.1:9/v1", "slm-secret", "m"), [story(1)], 4)
    assert "slm-secret" not in str(raised.value)


def measured(name: str, rate: float) -> Measured:
    """Three rounds at one and two streams; the middle round has the given rate."""
    result = Measured(name, name, "m", "gguf-q4_k_m", prompts={GATEWAY: [90, 110, 100], DIRECT: [200]}, peak_mib=512)
    for way in (GATEWAY, DIRECT):
        for streams in (1, 2):
            rounds = [rate * factor * streams for factor in (0.5, 1, 7)]
            samples = [Sample(0.1 * (n + 1), 1.1, 20, 11) for n in range(streams)]
            groups = [Group(tuple(samples), 11 * streams / each) for each in rounds]
            result.groups.setdefault(way, {})[streams] = groups
    return result


def test_figures_are_medians_of_rounds_and_percentiles_of_answers() -> None:
    result = measured("a", 40)
    assert result.rate(GATEWAY, 1) == pytest.approx(40)
    assert result.decode(GATEWAY) == pytest.approx(10)
    assert (result.first(GATEWAY, 2, 50), result.first(GATEWAY, 2, 99)) == (pytest.approx(100), pytest.approx(200))
    assert result.prompt(GATEWAY) == 100


def test_cost_is_price_over_tokens() -> None:
    # 3.60 an hour are a tenth of a cent a second: at 100 tokens a second, a million take 10 000 seconds.
    assert cost_per_million(3.6, 100) == pytest.approx(10)


def test_the_report_has_every_engine_on_every_way_and_its_costs() -> None:
    results = [measured("ollama", 40), measured("onnx", 50)]
    text = markdown(results, (1, 2), {"cpus": 2}, 0.42, 3.6)
    for line in ("| ollama, gateway | gguf-q4_k_m | 40.0 | 80.0 |", "| onnx, direct |", "0.42 ms", "cpus 2"):
        assert line in text
    assert "| onnx | 0 | 512 | - | 10.00 |" in text
    assert "per million" not in markdown(results, (1, 2), {}, None, None)
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.count("|") == tables[0].count("|") for line in tables[:6])


def test_a_round_that_fails_is_named_and_costs_the_others_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench.__new__(Bench)
    bench.measured = {"ollama": measured("ollama", 40), "vllm": Measured("vllm", "vllm", "m", "safetensors-bf16")}

    def fail(*_: object) -> None:
        raise UserError("'m' answered 408: too slow", harm="it cannot be measured")

    monkeypatch.setattr(bench, "round", fail)
    assert bench.try_round("vllm", 2, None) == "failed: 'm' answered 408: too slow"  # type: ignore[arg-type]
    everything = list(bench.measured.values())
    text = markdown(everything[:1], (1, 2), {}, None, None, everything)
    assert "- vllm, round 2: 'm' answered 408: too slow" in text
    assert "| ollama, gateway |" in text
    assert "Not measured" not in markdown(everything[:1], (1, 2), {}, None, None, everything[:1])


def test_nothing_measured_at_all_is_an_error_with_its_reasons(tmp_path: Path) -> None:
    bench = Bench.__new__(Bench)
    bench.stack, bench.streams = "engines", (1,)
    bench.measured = {"vllm": Measured("vllm", "vllm", "m", "w", failures=["round 1: no answer"])}
    with pytest.raises(UserError, match="vllm, round 1: no answer"):
        report(bench, {}, None, None, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_round_is_taken_in_as_a_whole() -> None:
    result = Measured("a", "a", "m", "w")
    one = Group((Sample(0.1, 1.1, 20, 11),), 1.1)
    for peak in (300.0, 200.0):
        result.add([(GATEWAY, 1, one), (DIRECT, 1, one)], [(GATEWAY, 90.0)], peak)
    assert result.groups == {GATEWAY: {1: [one, one]}, DIRECT: {1: [one, one]}}
    assert (result.prompts, result.peak_mib) == ({GATEWAY: [90.0, 90.0]}, 300.0)


def test_report_and_samples_are_kept(tmp_path: Path) -> None:
    results = [measured("ollama", 40)]
    write(tmp_path / "results", "text", document(results, {"cpus": 2}, 0.4, None))
    kept = json.loads((tmp_path / "results/engines.json").read_text())
    assert kept["engines"][0]["groups"][GATEWAY]["1"][0]["samples"][0]["first"] == 0.1
    assert (tmp_path / "results/engines.md").read_text() == "text"


def test_the_plot_shows_each_engine_and_is_the_same_each_time(tmp_path: Path) -> None:
    results = [measured("ollama", 40), measured("onnx", 50)]
    for name in ("a", "b"):
        draw(results, (1, 2), tmp_path / f"{name}.svg")
    first, second = ((tmp_path / f"{name}.svg").read_text() for name in ("a", "b"))
    assert first == second
    for word in ("ollama (gguf-q4_k_m)", "onnx (gguf-q4_k_m)", "2 streams"):
        assert word in first


@pytest.mark.parametrize("field", ["total_inactive_file", "inactive_file"])
def test_memory_is_what_cannot_be_dropped(field: str) -> None:
    stats = {"memory_stats": {"usage": 300 * 2**20, "stats": {field: 100 * 2**20}}}
    assert working_set(stats) == 200
    assert working_set({}) == 0


class Container:
    """As much of a container as start_up and address use."""

    name = "slm-x-chat"
    attrs: dict[str, Any]

    def __init__(self, *addresses: str) -> None:
        self.attrs = {"NetworkSettings": {"Networks": {str(n): {"IPAddress": a} for n, a in enumerate(addresses)}}}
        self.calls: list[str] = []

    def stop(self) -> None:
        self.calls.append("stop")

    def start(self) -> None:
        self.calls.append("start")

    def reload(self) -> None:
        pass


def test_start_up_is_from_the_start_to_the_first_answer() -> None:
    container, answers = Container(), iter([UserError("not yet"), UserError("not yet"), None])

    def ask() -> None:
        if error := next(answers):
            raise error

    assert start_up(container, ask) >= 0.5  # type: ignore[arg-type]
    assert container.calls == ["stop", "start"]


def test_an_engine_that_never_answers_ends_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask() -> None:
        raise UserError("no")

    monkeypatch.setattr(engines_container.time, "sleep", lambda _: None)
    with pytest.raises(UserError, match="did not answer within 0 s"):
        start_up(Container(), ask, limit=0.01)  # type: ignore[arg-type]


def test_the_direct_way_is_the_containers_own_address() -> None:
    assert address(Container("", "10.1.2.3"), 8000) == "http://10.1.2.3:8000/v1"  # type: ignore[arg-type]
    with pytest.raises(UserError, match="no address"):
        address(Container(""), 8000)  # type: ignore[arg-type]
