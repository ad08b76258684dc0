"""The real llama.cpp server with the real development model, in the container the engine describes, hardened."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import docker
import httpx
import pytest
from docker.models.containers import Container
from rich.console import Console

from components.catalog import catalog
from components.engines.llamacpp import LlamaCpp
from components.models import Model
from components.workload import Workload
from ops import docker_exec
from ops.images.build import Builder
from ops.site import discover
from tests.docker.container_harness import PREFIX, container, health, remove_volume
from tests.docker.shared_weights import SharedWeights

# Whichever test is first waits for the weights, and where nothing is cached for an image that is compiled.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]

MODEL = "qwen2.5-coder-0.5b-instruct"
QUESTION = "What is 240 divided by 3? Answer with the number only."
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


@dataclass
class Served:
    """A running engine and what it was made of."""

    client: docker.DockerClient
    engine: LlamaCpp
    model: Model
    workload: Workload
    container: Container

    @property
    def url(self) -> str:
        self.container.reload()
        (network,) = self.container.attrs["NetworkSettings"]["Networks"].values()
        return f"http://{network['IPAddress']}:{self.engine.port}"

    def post(self, path: str, **body: Any) -> httpx.Response:
        return httpx.post(f"{self.url}{path}", json={"model": MODEL, "temperature": 0} | body, timeout=300)

    def ask(self, content: str, **more: Any) -> dict[str, Any]:
        body = {"max_tokens": 64, "messages": [{"role": "user", "content": content}]} | more
        answer = self.post("/v1/chat/completions", **body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["choices"][0])

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
    return {r: builder.present(r, rows[r]) or builder.build(r, rows[r]) for r in ("llamacpp", "fetch")}


@pytest.fixture(scope="module")
def served(client: docker.DockerClient, images: dict[str, str], shared_weights: SharedWeights) -> Iterator[Served]:
    # One thread: two that wait for each other are slower than one where the machine does other work as well.
    engine = LlamaCpp(kind="llamacpp", target="local", model=MODEL, cpus=1, parallel=2, drain=60)
    # The template under which this model's tool calls are recognised (see the template's own comment).
    model = catalog().models[MODEL].model_copy(update={"chat_template": "chatml-fenced-tools"})
    workload = engine.workload("chat", model, images, discover())
    inner = client.networks.create(f"{PREFIX}-llama-inner", internal=True)
    try:
        names = shared_weights.of(workload)
        with container(client, workload, f"{PREFIX}-llama", names, f"{PREFIX}-llama-inner") as running:
            running.start()
            health(running, "healthy", 240)
            yield Served(client, engine, model, workload, running)
    finally:
        inner.remove()
        remove_volume(client, f"{PREFIX}-llama-files")


def test_it_really_answers_and_the_answer_is_right(served: Served) -> None:
    assert served.ask(QUESTION)["message"]["content"].strip() == "80"
    answer = served.post("/v1/completions", prompt="Explain prime numbers.", max_tokens=64).json()
    assert answer["model"] == MODEL
    print(f"{answer['timings']['predicted_per_second']:.1f} tokens per second")


def test_it_heeds_a_system_prompt(served: Served) -> None:
    messages = [
        {"role": "system", "content": "Always answer in upper case."},
        {"role": "user", "content": "Say hello."},
    ]
    content = served.ask("", messages=messages)["message"]["content"]
    assert content
    assert content == content.upper()


def test_a_tool_call_arrives_as_a_tool_call_and_its_answer_is_understood(served: Served) -> None:
    question = "What is the weather in Paris right now?"
    choice = served.ask(question, tools=[WEATHER])
    assert choice["finish_reason"] == "tool_calls"
    (call,) = choice["message"]["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}
    messages = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "21 degrees, sunny"},
    ]
    assert "21" in served.ask("", messages=messages)["message"]["content"]


def test_tokens_are_streamed_one_after_the_other(served: Served) -> None:
    messages = [{"role": "user", "content": "Write a Python function that says whether a number is prime."}]
    body = {"model": MODEL, "stream": True, "temperature": 0, "max_tokens": 40, "messages": messages}
    moments = []
    with httpx.stream("POST", f"{served.url}/v1/chat/completions", json=body, timeout=300) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                moments.append(time.monotonic())
    assert len(moments) > 10
    assert moments[-1] - moments[0] > 0.1


def test_what_it_says_it_can_it_does(served: Served) -> None:
    age = {"type": "json_schema", "json_schema": {"name": "age", "schema": SCHEMA}}
    assert isinstance(json.loads(served.ask("How old is Ada?", response_format=age)["message"]["content"])["age"], int)
    assert served.ask("hi", logprobs=True, top_logprobs=2, max_tokens=1)["logprobs"]["content"][0]["top_logprobs"]
    assert "3" not in served.ask("Count from 1 to 9.", stop=["3"])["message"]["content"]
    same = [served.ask("A random word.", temperature=2, seed=7, max_tokens=6)["message"]["content"] for _ in "ab"]
    assert same[0] == same[1]
    assert served.ask("Count from 1 to 99.", max_tokens=None, max_completion_tokens=3)["finish_reason"] == "length"
    # 198 is the line end of this vocabulary.
    biased = served.post("/v1/completions", prompt="Once", max_tokens=2, logit_bias={"198": 100}).json()
    assert biased["choices"][0]["text"] == "\n\n"
    answer = served.post("/v1/responses", input="Say hello.", max_output_tokens=8).json()
    assert answer["output"][0]["content"][0]["text"]


def test_a_prompt_beyond_a_requests_own_context_is_refused_and_not_cut(served: Served) -> None:
    answer = served.post("/v1/chat/completions", messages=[{"role": "user", "content": "word " * 5000}])
    assert answer.status_code == 400
    assert str(served.engine.context_length) in answer.json()["error"]["message"]


def test_only_what_the_gateway_may_ask_and_health_and_metrics_are_there(served: Served) -> None:
    paths = ("/", "/slots", "/tools", "/cors-proxy", "/health")
    found = {p: httpx.get(f"{served.url}{p}", timeout=60).status_code for p in paths}
    assert found["/health"] == 200
    assert all(status >= 400 for path, status in found.items() if path != "/health"), found
    for path in ("/props", "/slots/0?action=erase", "/models/load"):
        assert httpx.post(f"{served.url}{path}", json={}, timeout=60).status_code >= 400, path
    assert "llamacpp:requests_processing" in httpx.get(f"{served.url}/metrics", timeout=60).text


def test_it_runs_without_rights_on_a_read_only_root_and_read_only_weights(served: Served) -> None:
    _, status = served.shell("id -u; grep -E '^(CapEff|NoNewPrivs)' /proc/1/status")
    assert status.split() == ["10001", "CapEff:", "0000000000000000", "NoNewPrivs:", "1"]
    for path in ("/models/gguf/x", "/x", "/usr/bin/x", "/etc/slm/x"):
        assert served.shell(f"touch {path}")[0] != 0, path
    assert served.shell("timeout 3 bash -c '</dev/tcp/1.1.1.1/443'")[0] != 0


def test_memory_suffices_for_all_requests_at_once_and_is_as_predicted(served: Served) -> None:
    long = "word " * 300
    with ThreadPoolExecutor(served.engine.parallel) as pool:
        asked = [pool.submit(served.ask, f"{n} {long}", max_tokens=2) for n in range(served.engine.parallel)]
        assert all(answer.result()["finish_reason"] in ("length", "stop") for answer in asked)
    served.container.reload()
    assert served.container.attrs["State"]["OOMKilled"] is False
    peak = served.shell("cat /sys/fs/cgroup/memory.peak /sys/fs/cgroup/memory/memory.max_usage_in_bytes 2>/dev/null")[1]
    used = served.shell("grep -hE 'Rss(Anon|File)' /proc/[0-9]*/status | awk '{ sum += $2 } END { print sum / 1024 }'")
    print(f"predicted {served.engine.footprint(served.model)}; resident {used[1].strip()} MiB; peak {peak.strip()} B")


def test_health_needs_a_real_token_and_not_only_an_open_port(served: Served) -> None:
    served.shell("rm -f /tmp/answered")
    assert served.probe() == 0
    assert served.shell("test -e /tmp/answered")[0] == 0


def test_fault_21_a_frozen_server_is_noticed_and_a_busy_one_is_left_alone(served: Served) -> None:
    health(served.container, "healthy", 240)
    longer_ago = "touch -d '2 minutes ago' /tmp/answered"
    with ThreadPoolExecutor(2 * served.engine.parallel) as pool:
        story = [pool.submit(served.ask, f"A long story about {n}.") for n in range(2 * served.engine.parallel)]
        time.sleep(1)
        served.shell(longer_ago)
        assert served.probe() == 0, "a full queue is not a fault"
        for answer in story:
            answer.result()
    pid = served.shell("for p in /proc/[0-9]*; do [[ $(<$p/comm) == llama-server ]] && echo ${p#/proc/}; done")[
        1
    ].strip()
    served.shell(f"{longer_ago}; kill -STOP {pid}")
    try:
        assert served.probe() != 0
    finally:
        served.shell(f"kill -CONT {pid}")
    assert served.probe() == 0


def test_a_running_answer_ends_before_the_server_does(served: Served) -> None:
    body = {"model": MODEL, "stream": True, "temperature": 0, "max_tokens": 60, "ignore_eos": True}
    body["messages"] = [{"role": "user", "content": "A long story."}]
    url = f"{served.url}/v1/chat/completions"
    with ThreadPoolExecutor(1) as pool, httpx.stream("POST", url, json=body, timeout=300) as answer:
        lines = (line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: {"))
        next(lines)  # It is a running one, however fast or busy the machine is.
        started = time.monotonic()
        stopped = pool.submit(served.container.stop, timeout=90)
        choices = [choice for line in lines for choice in json.loads(line)["choices"]]
    stopped.result()
    print(f"stopped after {time.monotonic() - started:.1f} s")
    assert [choice["finish_reason"] for choice in choices if choice.get("finish_reason")] == ["length"]
    served.container.reload()
    assert served.container.attrs["State"]["ExitCode"] == 0


def test_fault_8_it_starts_again_from_the_volume_without_any_network_and_stops_at_once_when_idle(
    served: Served,
) -> None:
    served.container.start()
    health(served.container, "healthy", 240)
    assert served.ask(QUESTION)["message"]["content"].strip() == "80"
    started = time.monotonic()
    served.container.stop(timeout=90)
    assert time.monotonic() - started < 20, "nobody waits, so there is nothing to wait for"
