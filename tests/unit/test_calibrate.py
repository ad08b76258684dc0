"""Calibration: what counts as memory, what is asked, and how the result is told."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import Any

import pytest

from bench.calibrate import GOAL, Row, Watch, markdown, measure, prompt, resident_mib
from components.catalog import catalog
from components.engines.ollama import Ollama
from components.footprint import Footprint

pytestmark = pytest.mark.unit

MIB = 2**20
NEED = Footprint(weights_mib=500, kv_cache_mib=200, overhead_mib=100, host_mib=800, disk_mib=500)


def row(measured: int) -> Row:
    return Row("chat", "m", "gguf-q4_k_m", 4096, 2, NEED, measured, measured, 1.0)


def stats(**facts: int) -> dict[str, Any]:
    return {"memory_stats": {"stats": {name: value * MIB for name, value in facts.items()}}}


class Container:
    """Answers statistics one after the other, the last one for ever."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self._answers = list(answers)
        self.id = "1"
        self.client = SimpleNamespace(api=SimpleNamespace(stats=self._stats))

    def _stats(self, *_: object, **__: object) -> dict[str, Any]:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ({"total_rss": 600, "total_mapped_file": 50, "total_cache": 900, "rss": 1, "mapped_file": 1}, 650),
        ({"rss": 10, "mapped_file": 5}, 15),
        ({"anon": 600, "file_mapped": 40, "shmem": 10, "file": 900}, 650),
        ({}, 0),
    ],
)
def test_pages_that_can_be_dropped_are_no_need(facts: dict[str, int], found: int) -> None:
    assert resident_mib(stats(**facts)) == found


def test_a_container_that_is_gone_takes_nothing() -> None:
    assert resident_mib({}) == 0


@pytest.mark.parametrize(("measured", "verdict"), [(801, "under"), (800, "met"), (728, "met"), (700, "above goal")])
def test_below_is_never_met_and_above_only_within_the_goal(measured: int, verdict: str) -> None:
    assert row(measured).verdict == verdict
    assert (row(measured).error <= GOAL) == (verdict != "above goal")


def test_the_highest_value_stays() -> None:
    watch = Watch(Container(stats(rss=5), stats(rss=9), stats(rss=3)))  # type: ignore[arg-type]
    assert [watch.now(), watch.now(), watch.now()] == [5, 9, 3]
    assert watch.peak_mib == 9


def test_a_sample_that_does_not_come_in_time_is_not_the_end() -> None:
    container = Container(stats(rss=5), stats(rss=9))
    answer, failures = container._stats, [TimeoutError(), TimeoutError()]

    def read(*given: object, **named: object) -> dict[str, Any]:
        if len(container._answers) == 1 and failures:
            raise failures.pop()
        return answer(*given, **named)

    container.client.api.stats = read
    with Watch(container, interval=0.01) as watch:  # type: ignore[arg-type]
        end = time.monotonic() + 60
        while watch.peak_mib != 9 and time.monotonic() < end:
            time.sleep(0.01)
    assert (watch.peak_mib, failures) == (9, [])


def test_prompts_have_their_length_and_nothing_to_share() -> None:
    texts = [prompt(300, seed) for seed in range(20)]
    assert all(len(text.split()) == 301 for text in texts)
    assert len({text[:4] for text in texts}) == 20


def test_every_context_is_filled_at_once() -> None:
    engine = Ollama(kind="ollama", target="here", model="qwen3-0.6b", parallel=3, context_length=2048)
    asked: list[str] = []
    container = Container(stats(rss=100), stats(rss=700))
    found = measure(engine, "chat", catalog().models["qwen3-0.6b"], container, asked.append, fill=0.5)  # type: ignore[arg-type]
    assert [len(text.split()) for text in sorted(asked)[:3]] == [1 + 1024 - 64] * 3
    assert len(asked) == 4
    assert (found.measured_mib, found.context, found.requests) == (700, 2048, 3)
    assert found.predicted == engine.footprint(catalog().models["qwen3-0.6b"])


def test_the_table_and_the_document_say_the_same() -> None:
    text = markdown([row(760), row(900)])
    assert "| chat | m, gguf-q4_k_m | 4096 x 2 | 800: 500 + 200 + 100 | 760 | +5.3% | met |" in text
    assert "| 900 | -11.1% | under |" in text
    document = json.loads(json.dumps(row(760).document()))
    assert (document["error"], document["verdict"], document["predicted"]["host_mib"]) == (0.0526, "met", 800)
