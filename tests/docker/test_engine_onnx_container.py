"""Our ONNX server in the container the engine describes, with every restriction: a tiny model, then the real one."""

from __future__ import annotations

import io
import json
import re
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import docker
import docker.errors
import httpx
import openai
import pytest
from docker.models.containers import Container
from rich.console import Console

from components.catalog import catalog
from components.engines.onnx import Onnx
from components.models import Model
from components.workload import Workload
from ops import docker_exec
from ops.images.build import Builder
from ops.site import discover
from tests.docker.container_harness import PREFIX, container, health, remove_volume, volume
from tests.docker.shared_weights import SharedWeights
from tests.unit.models_samples import HUB

# Fetching and converting take three minutes, and many times that on a busy machine; so does an image that is not there.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]

TINY = Path(__file__).parents[1] / "unit/onnx_tiny"
REAL = "qwen2.5-coder-0.5b-instruct"
HELLO = [{"role": "user", "content": "the quick brown fox"}]


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    found = docker.from_env()
    yield found
    found.close()


@pytest.fixture(scope="module")
def inner(client: docker.DockerClient) -> Iterator[str]:
    network = client.networks.create(f"{PREFIX}-onnx", internal=True)
    yield f"{PREFIX}-onnx"
    network.remove()


def image(client: docker.DockerClient, role: str) -> str:
    builder, rows = Builder(client, Console(quiet=True)), catalog().images
    return builder.present(role, rows[role]) or builder.build(role, rows[role])


@pytest.fixture(scope="module")
def images(client: docker.DockerClient) -> dict[str, str]:
    return {"onnx": image(client, "onnx"), "fetch": image(client, "fetch")}


def tiny_model() -> Model:
    found = [path for path in TINY.iterdir() if path.is_file() and path.suffix != ".py"]
    files = [{"path": path.name, "size_bytes": path.stat().st_size, "sha256": "1" * 64} for path in found]
    source = {key: value for key, value in HUB.items() if key != "file"} | {"folder": ""}
    weights = {"format": "onnx", "precision": "int4", "device": "cpu", "size_bytes": 130_000}
    return Model.model_validate(
        {
            "name": "tiny",
            "license": "Apache-2.0",
            "context_length": 512,
            "parameters": 80_000,
            "layers": 2,
            "kv_heads": 2,
            "head_size": 16,
            "vocabulary": 320,
            "weights": {"onnx-int4": weights | {"files": files, "sources": [source]}},
        }
    )


def archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in TINY.iterdir():
            if path.is_file() and path.suffix != ".py":
                tar.add(path, path.name)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def weights(client: docker.DockerClient, images: dict[str, str]) -> Iterator[str]:
    with volume(client, f"{PREFIX}-onnx-tiny", images["onnx"], "/models/onnx") as name:
        mounts = {name: {"bind": "/models/onnx", "mode": "rw"}}
        holder = client.containers.create(images["onnx"], entrypoint=["true"], volumes=mounts)
        holder.put_archive("/models/onnx", archive())
        holder.remove()
        yield name


@contextmanager
def running(
    client: docker.DockerClient, images: dict[str, str], weights: str, inner: str, name: str, **changes: Any
) -> Iterator[tuple[Container, str, Workload]]:
    told = {"kind": "onnx", "target": "local", "model": "tiny", "context_length": 512, "cpus": 1, "drain": 20}
    workload = Onnx.model_validate(told | changes).workload("tiny", tiny_model(), images)
    volumes = {workload.volumes[0].name: weights}
    try:
        with container(client, workload, f"{PREFIX}-{name}", volumes, inner) as created:
            created.start()
            health(created, "healthy", 240)
            yield created, url(created, inner), workload
    finally:
        remove_volume(client, f"{PREFIX}-{name}-files")


def url(created: Container, network: str) -> str:
    created.reload()
    return f"http://{created.attrs['NetworkSettings']['Networks'][network]['IPAddress']}:8080"


@pytest.fixture(scope="module")
def served(
    client: docker.DockerClient, images: dict[str, str], weights: str, inner: str
) -> Iterator[tuple[Container, str, Workload]]:
    with running(client, images, weights, inner, "onnx-served") as found:
        yield found


def test_it_answers_and_streams(served: tuple[Container, str, Workload]) -> None:
    with openai.OpenAI(base_url=f"{served[1]}/v1", api_key="none", max_retries=0) as asking:
        whole = asking.chat.completions.create(model="tiny", messages=HELLO, max_tokens=8, temperature=0)
        assert whole.usage is not None
        assert whole.usage.completion_tokens == 8
        stream = asking.chat.completions.create(model="tiny", messages=HELLO, max_tokens=8, temperature=0, stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    assert text == whole.choices[0].message.content


def test_it_can_write_nothing_but_tmp_and_reaches_nothing(served: tuple[Container, str, Workload]) -> None:
    def shell(script: str) -> int:
        return int(served[0].exec_run(["bash", "-c", script]).exit_code)

    assert shell("touch /tmp/x") == 0
    for place in ("/", "/models/onnx", "/opt/slm", "/etc/slm", "/home"):
        assert shell(f"touch {place}/x") != 0, place
    assert shell("[[ $(id -u):$(id -g) == 10001:10001 ]]") == 0
    assert shell("grep -q '^CapEff:\t0000000000000000$' /proc/1/status") == 0
    assert shell("timeout 3 bash -c '</dev/tcp/1.1.1.1/443'") != 0


def test_its_log_is_json_without_content(served: tuple[Container, str, Workload]) -> None:
    asked = {"model": "tiny", "prompt": "geheimnis", "max_tokens": 2}
    assert httpx.post(f"{served[1]}/v1/completions", json=asked, timeout=60).status_code == 200

    def told() -> bool:
        lines = [json.loads(line) for line in served[0].logs().decode().splitlines()]
        return any(line["event"] == "request" and line["generated_tokens"] == 2 for line in lines)

    # Docker has a line a moment after it was written.
    deadline = time.monotonic() + 30
    while not told():
        assert time.monotonic() < deadline, "the line of the request"
        time.sleep(0.1)
    assert "geheimnis" not in served[0].logs().decode()


def test_no_telemetry_module_is_reached(served: tuple[Container, str, Workload]) -> None:
    code = "import onnxruntime_genai as og; og.disable_telemetry_events(); print(og.is_cuda_available())"
    assert docker_exec.run(served[0], ["python3", "-c", code]).output.decode().strip() == "False"


def test_sigterm_lets_answers_finish_and_refuses_new_ones(
    client: docker.DockerClient, images: dict[str, str], weights: str, inner: str
) -> None:
    # One place and twenty requests: the server has work for seconds, although the model is tiny, and time for all.
    with (
        running(client, images, weights, inner, "onnx-drain", parallel=1, drain=180) as (created, address, _),
        ExitStack() as stack,
    ):
        asked = {"model": "tiny", "prompt": [5, 6, 7], "max_tokens": 480, "temperature": 2, "seed": 1}
        pool = stack.enter_context(ThreadPoolExecutor(19))

        def post() -> httpx.Response:
            return httpx.post(f"{address}/v1/completions", json=asked, timeout=180)

        def figures() -> tuple[float, float]:
            """How many requests the server knows of, and how many of them wait."""
            text = httpx.get(f"{address}/metrics", timeout=60).text
            ended, runs, waits = (
                sum(map(float, re.findall(rf"^slm_onnx_requests_{name}(?:\{{.*\}})? (\S+)$", text, re.MULTILINE)))
                for name in ("total", "running", "waiting")
            )
            return ended + runs + waits, waits

        before, _ = figures()
        with httpx.stream("POST", f"{address}/v1/completions", json=asked | {"stream": True}, timeout=180) as answer:
            lines = answer.iter_lines()
            next(lines)
            waiting = [pool.submit(post) for _ in range(19)]
            # Who asks after the signal is refused, so all of them must have come; one that has just ended may count
            # twice for a moment. On a busy machine the first may be answered before the last one asks.
            looks = 0
            while looks < 2:
                assert not all(future.done() for future in waiting), "nobody was seen waiting"
                time.sleep(0.01)
                known, waits = figures()
                looks = looks + 1 if known >= before + 20 and waits >= 5 else 0
            created.kill("SIGTERM")
            seen: list[int] = []
            deadline = time.monotonic() + 60
            while 503 not in seen and time.monotonic() < deadline:
                seen.append(httpx.get(f"{address}/ready", timeout=60).status_code)
            live, new = httpx.get(f"{address}/live", timeout=60), post()
            rest = [line for line in lines if line]
        assert (seen[-1], live.status_code, new.status_code) == (503, 200, 503)
        assert new.json()["error"]["code"] == "draining"
        assert rest[-1] == "data: [DONE]"
        assert [future.result().status_code for future in waiting] == [200] * 19
        assert created.wait(timeout=120)["StatusCode"] == 0


def test_a_folder_that_cannot_be_served_ends_at_once_with_the_reason(
    client: docker.DockerClient, images: dict[str, str]
) -> None:
    command = ["--folder", "/tmp", "--model", "m"]
    with pytest.raises(docker.errors.ContainerError) as ended:
        client.containers.run(images["onnx"], command, read_only=True, remove=True, stderr=True)
    assert ended.value.exit_status == 2
    assert b"no genai_config.json" in ended.value.stderr


def test_a_provider_that_is_missing_is_named(client: docker.DockerClient, images: dict[str, str], weights: str) -> None:
    mounts = {weights: {"bind": "/models/onnx", "mode": "ro"}}
    command = ["--model", "m", "--providers", "cuda"]
    created = client.containers.run(images["onnx"], command, detach=True, volumes=mounts)
    try:
        deadline = time.monotonic() + 120
        while b"the model has failed" not in created.logs() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert b"cuda: onnxruntime-genai is installed without CUDA" in created.logs()
        created.kill("SIGTERM")
        assert created.wait(timeout=60)["StatusCode"] == 1
    finally:
        created.remove(force=True)


@pytest.fixture(scope="module")
def real(
    client: docker.DockerClient, images: dict[str, str], inner: str, shared_weights: SharedWeights
) -> Iterator[str]:
    """The development stack's own model, fetched and converted by the jobs its volumes name."""
    model = catalog().models[REAL]
    engine = Onnx.model_validate({"kind": "onnx", "target": "local", "model": REAL})
    images = images | {role: image(client, role) for role in engine.roles(model)}
    workload = engine.workload("chat", model, images, discover())
    with ExitStack() as stack:
        volumes = shared_weights.of(workload)
        stack.callback(remove_volume, client, f"{PREFIX}-onnx-real-files")
        created = stack.enter_context(container(client, workload, f"{PREFIX}-onnx-real", volumes, inner))
        created.start()
        health(created, "healthy", 240)
        yield url(created, inner)


def ask(address: str, content: str, **more: Any) -> dict[str, Any]:
    body = {"model": REAL, "temperature": 0, "messages": [{"role": "user", "content": content}]} | more
    answer = httpx.post(f"{address}/v1/chat/completions", json=body, timeout=180)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["choices"][0])


def test_the_real_model_calculates(real: str) -> None:
    choice = ask(real, "What is 240 divided by 3? Answer with the number only.")
    assert "80" in choice["message"]["content"]


def test_the_real_model_calls_a_tool(real: str) -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    function = {"name": "get_weather", "description": "Current weather of a city", "parameters": parameters}
    choice = ask(real, "What is the weather in Oslo?", tools=[{"type": "function", "function": function}])
    assert choice["finish_reason"] == "tool_calls"
    call = choice["message"]["tool_calls"][0]["function"]
    assert (call["name"], json.loads(call["arguments"])["city"]) == ("get_weather", "Oslo")


def test_four_at_once_get_what_one_alone_gets(real: str) -> None:
    questions = [f"What is {n} plus {n}? Answer with the number only." for n in (2, 3, 4, 5)]
    alone = [ask(real, question)["message"]["content"] for question in questions]
    with ThreadPoolExecutor(4) as pool:
        together = [choice["message"]["content"] for choice in pool.map(lambda q: ask(real, q), questions)]
    assert together == alone


def test_the_seeds_reasoning_with_the_real_model(real: str) -> None:
    asked = {"prompt": "What is 12 plus 30?", "task_type": "math", "max_length": 200, "temperature": 0}
    assert "42" in httpx.post(f"{real}/reasoning", json=asked, timeout=180).json()["generated_text"]
