"""The exporter for Ollama: what /api/ps says becomes metrics, and nothing but the named servers is asked."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "images/ollama-exporter"))

from slm_ollama_exporter.__main__ import handler, servers
from slm_ollama_exporter.collector import OllamaCollector

pytestmark = pytest.mark.unit

LOADED = {
    "name": "qwen:latest",
    "size": 1_000_000,
    "size_vram": 0,
    "context_length": 4096,
    "expires_at": "2318-11-26T19:40:00.123456789+02:00",
}
Answer = Callable[[httpx.Request], httpx.Response]


def server(models: list[dict[str, Any]] | None = None, **more: Any) -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        found = {"/api/version": {"version": "0.17.4"}, "/api/ps": {"models": models, **more}}
        return httpx.Response(200, json=found[request.url.path])

    return answer


def told(answer: Answer) -> dict[str, dict[tuple[str, ...], float]]:
    """The metrics of a server: by name, then by the values of their labels."""
    registry = CollectorRegistry()
    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        registry.register(OllamaCollector("http://chat:11434/", client))
        text = generate_latest(registry).decode()
    return {
        family.name: {tuple(sample.labels.values()): sample.value for sample in family.samples}
        for family in text_string_to_metric_families(text)
    }


def test_models_in_memory_are_told_by_name() -> None:
    found = told(server([LOADED]))
    assert found["slm_ollama_up"] == {(): 1}
    assert found["slm_ollama_info"] == {("0.17.4",): 1}
    assert found["slm_ollama_models_loaded"] == {(): 1}
    assert found["slm_ollama_model_memory_bytes"] == {("qwen",): 1_000_000}
    assert found["slm_ollama_model_gpu_memory_bytes"] == {("qwen",): 0}
    assert found["slm_ollama_model_context_tokens"] == {("qwen",): 4096}
    assert found["slm_ollama_model_unload_seconds"][("qwen",)] > 1e9


@pytest.mark.parametrize("moment", ["2026-11-26T19:40:00Z", "2026-11-26T19:40:00.5Z", "2026-11-26T19:40:00-08:00"])
def test_times_of_every_form_are_read(moment: str) -> None:
    assert told(server([LOADED | {"expires_at": moment}]))["slm_ollama_up"] == {(): 1}


def test_a_server_without_models_is_up_and_has_none() -> None:
    for nothing in (None, []):
        found = told(server(nothing))
        assert found["slm_ollama_up"] == {(): 1}
        assert found["slm_ollama_models_loaded"] == {(): 0}
        assert found["slm_ollama_model_memory_bytes"] == {}


def broken(_request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("no route")


@pytest.mark.parametrize(
    "answer",
    [
        broken,
        lambda _: httpx.Response(500),
        lambda _: httpx.Response(200, text="<html>"),
        lambda _: httpx.Response(200, json=["x"]),
        server([{"name": "no-size"}]),
    ],
    ids=["unreachable", "error", "no JSON", "another form", "a model without a size"],
)
def test_a_server_that_does_not_answer_in_this_form_is_down_and_nothing_else(answer: Answer) -> None:
    found = told(answer)
    assert found == {"slm_ollama_up": {(): 0}}


@pytest.fixture
def exporter() -> Iterator[str]:
    with httpx.Client(transport=httpx.MockTransport(server([LOADED]))) as client:
        listening = ThreadingHTTPServer(("127.0.0.1", 0), handler({"chat": "http://chat:11434"}, client))
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        listening.server_close()
        thread.join()


def test_only_servers_it_was_given_are_asked(exporter: str) -> None:
    assert "slm_ollama_up 1.0" in httpx.get(f"{exporter}/probe?target=chat", trust_env=False).text
    for target in ("", "other", "http://169.254.169.254"):
        assert httpx.get(f"{exporter}/probe", params={"target": target}, trust_env=False).status_code == 400
    assert httpx.get(f"{exporter}/api/delete", trust_env=False).status_code == 404
    assert httpx.post(f"{exporter}/probe?target=chat", trust_env=False).status_code == 501


def test_its_own_health_and_figures_are_told(exporter: str) -> None:
    assert httpx.get(f"{exporter}/healthz", trust_env=False).text == "ok\n"
    assert "process_resident_memory_bytes" in httpx.get(f"{exporter}/metrics", trust_env=False).text


@pytest.mark.parametrize("word", ["chat", "=http://x", "chat=x", "chat=file:///etc/passwd"])
def test_words_that_name_no_server_are_refused(word: str) -> None:
    with pytest.raises(ValueError, match="is not NAME=URL"):
        servers([word])
