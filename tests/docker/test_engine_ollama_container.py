"""The real Ollama with the real development model, in the container the engine describes, with every restriction."""

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

from bench.calibrate import GOAL, asker, dearest, markdown, measure
from components.catalog import catalog
from components.engines.ollama import Ollama
from components.models import Model
from components.workload import Workload
from ops import docker_exec
from ops.images.build import Builder
from ops.site import discover
from tests.docker.container_harness import (
    PREFIX,
    container,
    fails_without_a_note,
    health,
    probed_again,
    remove_volume,
    run_job,
    volume,
)

# Whichever test is first waits for the weights, and where nothing is cached for an image.
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


@dataclass
class Served:
    """A running engine and what it was made of."""

    client: docker.DockerClient
    engine: Ollama
    model: Model
    workload: Workload
    volumes: dict[str, str]
    container: Container

    @property
    def url(self) -> str:
        self.container.reload()
        (network,) = self.container.attrs["NetworkSettings"]["Networks"].values()
        return f"http://{network['IPAddress']}:{self.engine.port}"

    def ask(self, content: str, **more: Any) -> dict[str, Any]:
        body = {"model": MODEL, "temperature": 0, "messages": [{"role": "user", "content": content}]} | more
        answer = httpx.post(f"{self.url}/v1/chat/completions", json=body, timeout=180)
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["choices"][0])

    def shell(self, script: str) -> tuple[int, str]:
        done = docker_exec.run(self.container, ["bash", "-c", script])
        return done.exit_code, (done.output + done.errors).decode()

    def probe(self, mode: str) -> int:
        assert self.workload.probe is not None
        bash, script, model, _, seconds = self.workload.probe.command
        return int(self.container.exec_run([bash, script, model, mode, seconds]).exit_code)


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    found = docker.from_env()
    yield found
    found.close()


@pytest.fixture(scope="module")
def images(client: docker.DockerClient) -> dict[str, str]:
    builder, rows = Builder(client, Console(quiet=True)), catalog().images
    return {r: builder.present(r, rows[r]) or builder.build(r, rows[r]) for r in ("ollama", "fetch")}


@pytest.fixture(scope="module")
def served(client: docker.DockerClient, images: dict[str, str]) -> Iterator[Served]:
    engine = Ollama(kind="ollama", target="local", model=MODEL)
    # The template under which this model's tool calls are recognised (see the template's own comment).
    model = catalog().models[MODEL].model_copy(update={"template": "chatml-fenced-tools"})
    workload = engine.workload("chat", model, images, discover())
    store = workload.volumes[0]
    inner = client.networks.create(f"{PREFIX}-inner", internal=True)
    try:
        with volume(client, f"{PREFIX}-weights", images["fetch"], store.path) as name:
            volumes = {store.name: name}
            fetch, importing = store.fill
            code, output, errors = run_job(client, fetch, volumes, "bridge")
            assert code == 0, errors
            print(output.splitlines()[-1])
            code, output, errors = run_job(client, importing, volumes, "none")
            assert code == 0, errors
            with container(client, workload, f"{PREFIX}-chat", volumes, f"{PREFIX}-inner") as running:
                running.start()
                health(running, "healthy", 240)
                yield Served(client, engine, model, workload, volumes, running)
    finally:
        inner.remove()
        remove_volume(client, f"{PREFIX}-chat-files")


def test_it_really_answers_and_the_answer_is_right(served: Served) -> None:
    assert served.ask(QUESTION)["message"]["content"].strip() == "80"
    body = {"model": MODEL, "prompt": "Explain prime numbers.", "stream": False, "options": {"num_predict": 96}}
    facts = httpx.post(f"{served.url}/api/generate", json=body, timeout=180).json()
    print(f"{facts['eval_count'] / facts['eval_duration'] * 1e9:.1f} tokens per second")


def test_it_heeds_a_system_prompt(served: Served) -> None:
    messages = [
        {"role": "system", "content": "Always answer in upper case."},
        {"role": "user", "content": "Say hello."},
    ]
    content = served.ask("", messages=messages)["message"]["content"]
    assert content
    assert content == content.upper()


def test_it_lists_tools_and_a_call_arrives_as_a_tool_call(served: Served) -> None:
    shown = httpx.post(f"{served.url}/api/show", json={"model": MODEL}, timeout=60).json()
    assert "tools" in shown["capabilities"]
    choice = served.ask("What is the weather in Paris right now?", tools=[WEATHER])
    assert choice["finish_reason"] == "tool_calls"
    (call,) = choice["message"]["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}


def test_a_tools_answer_is_understood(served: Served) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}
    messages = [
        {"role": "user", "content": "What is the weather in Paris right now?"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "21 degrees, sunny"},
    ]
    assert "21" in served.ask("", messages=messages)["message"]["content"]


def test_tokens_are_streamed_one_after_the_other(served: Served) -> None:
    messages = [{"role": "user", "content": "Write a Python function that says whether a number is prime."}]
    body = {"model": MODEL, "stream": True, "temperature": 0, "max_tokens": 40, "messages": messages}
    moments = []
    with httpx.stream("POST", f"{served.url}/v1/chat/completions", json=body, timeout=180) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                moments.append(time.monotonic())
    assert len(moments) > 10
    assert moments[-1] - moments[0] > 0.1


def test_there_is_one_copy_of_the_weights(served: Served) -> None:
    code, output = served.shell("du -sb /models | cut -f1")
    assert code == 0
    assert int(output) < next(iter(served.model.weights.values())).size_bytes * 1.01


def test_it_runs_without_rights_on_a_read_only_root_and_read_only_weights(served: Served) -> None:
    _, status = served.shell("id -u; grep -E '^(CapEff|NoNewPrivs)' /proc/1/status")
    assert status.split()[:5] == ["10001", "CapEff:", "0000000000000000", "NoNewPrivs:", "1"]
    for path in ("/models/x", "/x", "/usr/bin/x", "/etc/slm/x"):
        assert served.shell(f"touch {path}")[0] != 0, path
    assert served.shell("touch /tmp/x")[0] == 0


def test_nobody_can_change_the_models_even_through_the_api(served: Served) -> None:
    copied = httpx.post(f"{served.url}/api/copy", json={"source": MODEL, "destination": "other"}, timeout=60)
    assert copied.status_code >= 400
    httpx.request("DELETE", f"{served.url}/api/delete", json={"model": MODEL}, timeout=60)
    assert served.ask(QUESTION)["message"]["content"].strip() == "80"


def test_it_has_no_way_out(served: Served) -> None:
    for address in ("1.1.1.1/443", "169.254.169.254/80"):
        assert served.shell(f"timeout 3 bash -c '</dev/tcp/{address}'")[0] != 0, address
    assert served.shell("timeout 3 getent hosts registry.ollama.ai")[0] != 0


def test_memory_suffices_for_all_requests_at_once(served: Served) -> None:
    # The server reserves every request's full context when it loads the model, so short requests show it as well.
    long = "word " * 200
    with ThreadPoolExecutor(served.engine.parallel) as pool:
        answers = list(pool.map(lambda n: served.ask(f"{n} {long}", max_tokens=4), range(served.engine.parallel)))
    assert all(answer["finish_reason"] in ("length", "stop") for answer in answers)
    served.container.reload()
    assert served.container.attrs["RestartCount"] == 0
    assert served.container.attrs["State"]["OOMKilled"] is False


def test_the_import_is_skipped_when_it_was_done(served: Served) -> None:
    importing = served.workload.volumes[0].fill[1]
    code, output, _ = run_job(served.client, importing, served.volumes, "none")
    assert code == 0
    assert output.strip() == f"{MODEL} is already imported"


def test_health_needs_a_real_token_and_not_only_an_open_port(served: Served) -> None:
    probe = served.workload.probe
    assert probe is not None
    bash, script, _, mode, _ = probe.command
    assert fails_without_a_note(served.container, [bash, script, "no-such-model", mode, "30"])
    assert served.probe("first") == 0
    assert served.shell("test -e /tmp/answered")[0] == 0
    # A probe of Docker's own that began meanwhile waits for a first token, for as long as a start may take: a server
    # that freezes under it would be noticed later than one that runs.
    probed_again(served.container, 180)


def test_fault_21_a_frozen_server_is_noticed_and_a_thawed_one_is_healthy_again(served: Served) -> None:
    health(served.container, "healthy", 240)
    server = "for p in /proc/[0-9]*; do grep -qz '^serve$' $p/cmdline 2>/dev/null && kill -{signal} ${{p#/proc/}}; done"
    served.shell(server.format(signal="STOP"))
    seconds = health(served.container, "unhealthy", 240)
    print(f"noticed after {seconds:.0f} s")
    served.shell(server.format(signal="CONT"))
    health(served.container, "healthy", 240)


def test_a_hung_runner_is_noticed_when_the_model_stays_loaded_and_a_busy_one_is_not(served: Served) -> None:
    served.ask(QUESTION)
    longer_ago = "touch -d '2 minutes ago' /tmp/answered"
    runner = "for p in /proc/[0-9]*; do grep -qz '^runner$' $p/cmdline 2>/dev/null && echo ${p#/proc/}; done"
    pid = served.shell(runner)[1].split()[-1]
    with ThreadPoolExecutor(2 * served.engine.parallel) as pool:
        busy = [
            pool.submit(served.ask, f"Write a long story about the number {n}.", max_tokens=40)
            for n in range(2 * served.engine.parallel)
        ]
        time.sleep(2)
        served.shell(longer_ago)
        assert served.probe("always") == 0, "a full queue is not a fault"
        for answer in busy:
            answer.result()
    try:
        served.shell(f"{longer_ago}; kill -STOP {pid}")
        assert served.probe("always") != 0
        assert served.probe("first") == 0, "with a keep-alive limit only the server is asked"
    finally:
        served.shell(f"kill -CONT {pid}")
    served.shell(longer_ago)
    assert served.probe("always") == 0


def test_a_running_answer_ends_before_the_server_does(served: Served) -> None:
    body = {"model": MODEL, "stream": True, "temperature": 0, "max_tokens": 60}
    body["messages"] = [{"role": "user", "content": "Write a long story."}]
    url = f"{served.url}/v1/chat/completions"
    with ThreadPoolExecutor(1) as pool, httpx.stream("POST", url, json=body, timeout=180) as answer:
        lines = (line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: {"))
        next(lines)  # It is a running one, however fast or busy the machine is.
        stopped = pool.submit(served.container.stop, timeout=90)
        choices = [choice for line in lines for choice in json.loads(line)["choices"]]
    stopped.result()
    (reason,) = {choice["finish_reason"] for choice in choices if choice.get("finish_reason")}
    assert reason in ("length", "stop")
    served.container.reload()
    assert served.container.attrs["State"]["ExitCode"] == 0
    served.container.start()
    health(served.container, "healthy", 240)
    started = time.monotonic()
    served.container.stop(timeout=90)
    assert time.monotonic() - started < 10, "nobody waits, so there is nothing to wait for"
    served.container.start()


def test_fault_8_it_starts_again_from_the_volume_without_any_network(served: Served) -> None:
    served.container.restart(timeout=10)
    health(served.container, "healthy", 240)
    assert served.ask(QUESTION)["message"]["content"].strip() == "80"


@pytest.mark.alone
def test_it_takes_no_more_memory_than_predicted_and_not_much_less(served: Served) -> None:
    # Long enough for several batches; every context is there from the start, however little of it is filled.
    ask = asker(f"{served.url}/v1", MODEL, fields=dearest(served.engine))
    row = measure(served.engine, "ollama", served.model, served.container, ask, fill=0.2)
    print(markdown([row]))
    assert 0 <= row.error <= GOAL
