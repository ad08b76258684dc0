"""The real vLLM with the real development model, in the container the engine describes, with every restriction.

One start serves all tests, because it takes a minute; they run in the order of this file, and the last one stops it.
SLM_TEST_HF_FOLDER may name a folder that the conversion job made, to save making it again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import docker
import httpx
import pytest
from docker.models.containers import Container
from rich.console import Console

from components.catalog import catalog
from components.engines.vllm import Vllm
from components.models import Model
from components.workload import Workload
from ops import docker_exec
from ops.images.build import Builder
from ops.site import discover
from tests.docker.container_harness import PREFIX, container, fails_without_a_note, health, remove_volume
from tests.docker.shared_weights import SharedWeights

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]

MODEL = "qwen2.5-coder-0.5b-instruct"
QUESTION = "What is 240 divided by 3? Answer with the number only."
CANARY = "canary-7f3d9"
AREA = {
    "type": "function",
    "function": {
        "name": "circle_area",
        "description": "Area of a circle",
        "parameters": {"type": "object", "properties": {"radius": {"type": "number"}}, "required": ["radius"]},
    },
}


@dataclass
class Served:
    """A running engine and what it was made of."""

    engine: Vllm
    model: Model
    workload: Workload
    container: Container

    @property
    def url(self) -> str:
        self.container.reload()
        (network,) = self.container.attrs["NetworkSettings"]["Networks"].values()
        return f"http://{network['IPAddress']}:{self.engine.port}"

    def post(self, **body: Any) -> httpx.Response:
        asked = {"model": MODEL, "temperature": 0} | body
        return httpx.post(f"{self.url}/v1/chat/completions", json=asked, timeout=300)

    def ask(self, content: str, **more: Any) -> dict[str, Any]:
        answer = self.post(messages=[{"role": "user", "content": content}], **more)
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["choices"][0])

    def stream(self, content: str, **more: Any) -> Iterator[dict[str, Any]]:
        body = {"model": MODEL, "temperature": 0, "stream": True, "messages": [{"role": "user", "content": content}]}
        with httpx.stream("POST", f"{self.url}/v1/chat/completions", json=body | more, timeout=300) as answer:
            assert answer.status_code == 200, answer.read()
            for line in answer.iter_lines():
                if line.startswith("data: {"):
                    yield json.loads(line.removeprefix("data: "))
                elif line == "data: [DONE]":
                    return
        pytest.fail("the stream ended without [DONE]")

    def shell(self, script: str) -> tuple[int, str]:
        done = docker_exec.run(self.container, ["bash", "-c", script])
        return done.exit_code, (done.output + done.errors).decode()

    def probe(self) -> int:
        assert self.workload.probe is not None
        return int(self.container.exec_run(list(self.workload.probe.command)).exit_code)


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    found = docker.from_env()
    yield found
    found.close()


@pytest.fixture(scope="module")
def images(client: docker.DockerClient) -> dict[str, str]:
    builder, rows = Builder(client, Console(quiet=True)), catalog().images
    return {r: builder.present(r, rows[r]) or builder.build(r, rows[r]) for r in ("vllm-cpu", "convert", "fetch")}


@pytest.fixture(scope="module")
def served(client: docker.DockerClient, images: dict[str, str], shared_weights: SharedWeights) -> Iterator[Served]:
    # The seed's shape for development, halved, so that a full house takes seconds.
    engine = Vllm.model_validate(
        {"kind": "vllm", "target": "local", "model": MODEL, "context_length": 2048, "parallel": 2, "max_queue": 1}
    )
    # The model writes calls into fences when it is free to choose, and no parser of vLLM's own reads those.
    model = catalog().models[MODEL].model_copy(update={"tool_parser": "fenced_json"})
    workload = engine.workload("vllm-chat", model, images, discover())
    inner = f"{PREFIX}-vllm-inner"
    network = client.networks.create(inner, internal=True)
    with ExitStack() as stack:
        stack.callback(remove_volume, client, f"{PREFIX}-vllm-files")
        stack.callback(network.remove)
        names = shared_weights.of(workload)
        running = stack.enter_context(container(client, workload, f"{PREFIX}-vllm", names, inner))
        running.start()
        print(f"healthy after {health(running, 'healthy', engine.startup):.0f} s")
        yield Served(engine, model, workload, running)


def test_it_really_answers_and_the_answer_is_right(served: Served) -> None:
    assert served.ask(QUESTION)["message"]["content"].strip() == "80"


def test_a_required_tool_call_arrives_as_one(served: Served) -> None:
    question = "Area of a circle with radius 5?"
    choice = served.ask(question, tools=[AREA], tool_choice="required", parallel_tool_calls=False)
    assert choice["finish_reason"] == "tool_calls"
    (call,) = choice["message"]["tool_calls"]
    assert call["function"]["name"] == "circle_area"
    assert json.loads(call["function"]["arguments"]) == {"radius": 5}


def test_required_tool_calls_are_whole_however_many_the_model_makes(served: Served) -> None:
    # How many depends on the processor's rounding: nothing in the request limits them.
    choice = served.ask("Area of a circle with radius 5?", tools=[AREA], tool_choice="required")
    assert choice["finish_reason"] == "tool_calls"
    calls = choice["message"]["tool_calls"]
    assert {call["function"]["name"] for call in calls} == {"circle_area"}
    assert json.loads(calls[0]["function"]["arguments"]) == {"radius": 5}
    assert all(json.loads(call["function"]["arguments"]).keys() == {"radius"} for call in calls)


def test_a_tool_call_of_its_own_choice_arrives_as_one_whole_and_streamed(served: Served) -> None:
    question = "Calculate the area of a circle with radius 5 units"
    choice = served.ask(question, tools=[AREA])
    assert choice["finish_reason"] == "tool_calls", choice
    (call,) = choice["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"radius": 5}
    deltas = [e["choices"][0] for e in served.stream(question, tools=[AREA]) if e["choices"]]
    calls = [c for d in deltas for c in d["delta"].get("tool_calls") or ()]
    assert [c["function"]["name"] for c in calls] == ["circle_area"]
    assert json.loads(calls[0]["function"]["arguments"]) == {"radius": 5}
    assert deltas[-1]["finish_reason"] == "tool_calls"


def test_other_fences_stay_text_to_the_last_mark_though_tools_are_offered(served: Served) -> None:
    question = "Write a Python function that adds two numbers. Only code."
    whole = served.ask(question, tools=[AREA], max_tokens=80)["message"]["content"]
    events = served.stream(question, tools=[AREA], max_tokens=80)
    streamed = "".join(e["choices"][0]["delta"].get("content") or "" for e in events if e["choices"])
    assert whole.startswith("```")
    assert whole.endswith("```")
    assert streamed == whole


def test_tokens_are_streamed_one_after_the_other_and_usage_is_told_at_the_end(served: Served) -> None:
    events, moments = [], []
    for event in served.stream("Count from 1 to 20.", max_tokens=40, stream_options={"include_usage": True}):
        events.append(event)
        moments.append(time.monotonic())
    assert len(events) > 10
    assert moments[-1] - moments[0] > 0.1
    assert events[-1]["choices"] == []
    usage = events[-1]["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["completion_tokens"] >= 10


def test_a_prompt_beyond_the_context_is_refused_with_the_numbers(served: Served) -> None:
    answer = served.post(messages=[{"role": "user", "content": "word " * 2100}], max_tokens=4)
    assert answer.status_code == 400
    assert "2048" in answer.json()["error"]["message"]


def test_it_runs_without_rights_on_a_read_only_root_and_read_only_weights(served: Served) -> None:
    _, status = served.shell("id -u; id -g; grep -E '^(CapEff|NoNewPrivs)' /proc/1/status")
    assert status.split() == ["2000", "10001", "CapEff:", "0000000000000000", "NoNewPrivs:", "1"]
    for path in ("/models/huggingface/x", "/x", "/usr/bin/x", "/etc/slm/x"):
        assert served.shell(f"touch {path}")[0] != 0, path
    for path in ("/tmp/x", "/home/vllm/x", "/cache/x"):
        assert served.shell(f"touch {path}")[0] == 0, path
    assert served.shell("find /cache/vllm -type f | grep .")[0] == 0


def test_it_has_no_way_out(served: Served) -> None:
    for address in ("1.1.1.1/443", "169.254.169.254/80"):
        assert served.shell(f"timeout 3 bash -c '</dev/tcp/{address}'")[0] != 0, address
    assert served.shell("timeout 3 getent hosts huggingface.co")[0] != 0


def test_it_shows_no_documentation_and_logs_no_prompt(served: Served) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert httpx.get(f"{served.url}{path}", timeout=60).status_code == 404, path
    served.ask(f"Repeat: {CANARY}", max_tokens=16)
    log = served.container.logs().decode()
    assert "Application startup complete" in log
    assert CANARY not in log


def test_memory_suffices_for_a_full_house(served: Served) -> None:
    words = served.engine.context_length - 100
    with ThreadPoolExecutor(served.engine.parallel) as pool:
        answers = list(pool.map(lambda n: served.ask(f"{n} " + "word " * words, max_tokens=4), range(2)))
    assert all(answer["finish_reason"] in ("length", "stop") for answer in answers)
    served.container.reload()
    assert served.container.attrs["State"]["OOMKilled"] is False
    used = served.shell("cat /sys/fs/cgroup/memory.peak /sys/fs/cgroup/memory/memory.max_usage_in_bytes 2>/dev/null")[1]
    print(f"limit {served.workload.resources.memory_mib} MiB, peak {int(used) / 2**20:.0f} MiB")


def test_a_full_queue_refuses_with_503_and_is_no_fault(served: Served) -> None:
    url, statuses = f"{served.url}/v1/completions", list[int]()
    body = {"model": MODEL, "prompt": "Once", "max_tokens": 1500, "ignore_eos": True, "stream": True}
    with ExitStack() as stack:
        session = stack.enter_context(httpx.Client(timeout=180))
        for _ in range(served.engine.parallel):
            answer = stack.enter_context(session.stream("POST", url, json=body))
            assert answer.status_code == 200
            next(answer.iter_lines())
        with ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(session.post, url, json=body | {"max_tokens": 1, "stream": False}) for _ in range(4)]
            deadline = time.monotonic() + 120
            while not statuses and time.monotonic() < deadline:
                statuses = [w.result().status_code for w in waiting if w.done() and not w.exception()]
                time.sleep(0.1)
            served.shell("touch -d '2 minutes ago' /tmp/answered")
            healthy = served.probe()
            stack.close()
    assert 503 in statuses
    assert healthy == 0, "a full queue is not a fault"


def test_health_needs_a_real_token_and_not_only_an_open_port(served: Served) -> None:
    assert served.workload.probe is not None
    bash, script, port, _ = served.workload.probe.command
    assert fails_without_a_note(served.container, [bash, script, port, "no-such-model"])
    assert served.probe() == 0
    assert served.shell("test -e /tmp/answered")[0] == 0


def test_a_hung_engine_is_noticed_though_its_api_says_it_is_healthy(served: Served) -> None:
    pid = served.shell("for p in /proc/[0-9]*; do grep -q Worker $p/comm && echo ${p#/proc/}; done")[1].split()[-1]
    try:
        served.shell(f"kill -STOP {pid}; touch -d '2 minutes ago' /tmp/answered")
        assert httpx.get(f"{served.url}/health", timeout=60).status_code == 200
        assert served.probe() != 0
    finally:
        served.shell(f"kill -CONT {pid}")
    health(served.container, "healthy", 240)


def test_sigterm_lets_an_answer_finish(served: Served) -> None:
    events = served.stream("Count from 1 to 30, separated by commas.", max_tokens=60)
    next(events)
    served.container.kill("SIGTERM")
    started = time.monotonic()
    last = [event for event in events if event["choices"]][-1]
    assert last["choices"][0]["finish_reason"] in ("stop", "length")
    served.container.wait(timeout=180)
    print(f"gone {time.monotonic() - started:.0f} s after SIGTERM")
