"""Every engine of this machine in one stack: one description, one gateway, one model on each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import openai
import pytest

from components.settings import load
from ops.smoke import ANSWER, QUESTION
from ops.smoke.checks import CHECKS
from ops.verify import broken_controls
from tests.docker.project import PROJECT, Project
from tests.unit.monitoring_samples import PARTS

# Whichever test is first waits for all engines, and for the conversion of their weights.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]

SETTINGS = load("engines", PROJECT, {})
SERVED = {name: engine.served_name for name, engine in SETTINGS.hosted.items()}


def client_of(engines: Project) -> openai.OpenAI:
    return openai.OpenAI(base_url=engines.endpoint, api_key=list(engines.keys().values())[-1], timeout=120)


def test_one_up_brings_all_of_them_up_with_the_gateway(engines: Project) -> None:
    assert engines.first_up is not None
    assert QUESTION in engines.first_up.output
    assert set(engines.containers()) == {*SERVED, "gateway"} | PARTS


def test_the_gateway_lists_each_under_its_own_name(engines: Project) -> None:
    with client_of(engines) as client:
        assert [model.id for model in client.models.list()] == list(SERVED.values())


@pytest.mark.parametrize("engine", SERVED)
def test_each_answers_and_says_that_it_was_asked(engines: Project, engine: str) -> None:
    with client_of(engines) as client:
        answer = client.chat.completions.create(
            model=SERVED[engine], messages=[{"role": "user", "content": QUESTION}], temperature=0, max_tokens=16
        )
    assert answer.model == SERVED[engine]
    assert ANSWER in (answer.choices[0].message.content or "")


def test_nothing_is_left_to_do_right_after_up(engines: Project) -> None:
    engines.pulumi("preview", "--expect-no-changes").must_succeed()


def test_a_second_up_replaces_nothing(engines: Project) -> None:
    before = {name: c.id for name, c in engines.containers(everything=True).items()}
    engines.ops("up").must_succeed()
    assert {name: c.id for name, c in engines.containers(everything=True).items()} == before


def test_every_container_holds_every_control(engines: Project) -> None:
    assert [finding for c in engines.containers().values() for finding in broken_controls(c.attrs)] == []


def test_no_engine_was_killed_for_memory_or_started_again(engines: Project) -> None:
    for container in engines.containers().values():
        state = container.attrs["State"]
        assert (state["OOMKilled"], container.attrs["RestartCount"]) == (False, 0), container.name


def test_smoke_asks_each_everything_and_shows_a_table_of_each(engines: Project) -> None:
    done = engines.ops("smoke").must_succeed()
    for name, served in SERVED.items():
        assert f"{served} on {SETTINGS.hosted[name].kind}" in done.output
    for check in CHECKS:
        assert done.output.count(f"│ {check.name}") >= len(SERVED)
    # What a model of half a billion parameters is up to: a division and a call. Not the word problem, not always code.
    assert done.output.count("│ content") == 2 * len(SERVED)


def test_bench_measures_each_of_them_and_draws_it(engines: Project, tmp_path: Path) -> None:
    arguments = ["--stack", engines.stack, "--quick", "--no-restart", "--results", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "bench.engines", *arguments],
        cwd=engines.folder,
        env=os.environ | {"PRICE_PER_HOUR": "0.2"},
        capture_output=True,
        text=True,
        timeout=1500,
    )
    assert done.returncode == 0, done.stderr
    kept = json.loads((tmp_path / "engines.json").read_text())
    assert [each["engine"] for each in kept["engines"]] == list(SERVED)
    for each in kept["engines"]:
        for way in ("gateway", "direct"):
            sample = each["groups"][way]["1"][0]["samples"][0]
            assert 0 < sample["first"] <= sample["total"]
            assert sample["tokens"] > 0
        assert each["peak_mib"] > 100
    report = (tmp_path / "engines.md").read_text()
    assert "per million tokens" in report
    assert "The gateway adds" in report
    assert (tmp_path / "engines.svg").read_text().startswith("<?xml")
