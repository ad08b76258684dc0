"""The conversion job as it runs: without rights, without network, with the real libraries, on a model of megabytes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from rich.console import Console

from components.catalog import catalog
from components.conversion import conversion_job
from components.models import Model
from components.workload import Volume, Workload
from ops.images.build import Builder
from tests.docker import tiny_model
from tests.docker.container_harness import PREFIX, container, run_job, volume

pytestmark = pytest.mark.docker

GGUF, FOLDER, ONNX, GPU = tiny_model.WEIGHTS, "safetensors-bf16", "onnx-int4-cpu", "onnx-fp16-cuda"
VOLUMES = {
    key: Volume(name=name, path=f"/models/{name}", size_gib=1)
    for key, name in ((GGUF, "gguf"), (FOLDER, "huggingface"), (ONNX, "onnx"), (GPU, "onnx"))
}


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    found = docker.from_env()
    yield found
    found.close()


@pytest.fixture(scope="module")
def image(client: docker.DockerClient) -> str:
    builder, row = Builder(client, Console(quiet=True)), catalog().images["convert"]
    return builder.present("convert", row) or builder.build("convert", row)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Path]:
    """A model whose answer is always 80, in every form, and its GGUF file."""
    vocabulary = ["ab" if token == "<|spare0|>" else token for token in tiny_model._vocabulary()]
    with pytest.MonkeyPatch.context() as patch:
        # The tokenizers library wants the result of each merge among the tokens, which Ollama does not.
        patch.setattr(tiny_model, "_vocabulary", lambda: vocabulary)
        file = tiny_model.write(tmp_path_factory.mktemp("tiny"))
    described = tiny_model.described(file)
    made = {"size_bytes": 5_000_000}
    described["weights"] |= {
        FOLDER: {"format": "safetensors", "precision": "bf16", "converted_from": GGUF} | made,
        ONNX: {"format": "onnx", "precision": "int4", "device": "cpu", "converted_from": FOLDER} | made,
        GPU: {"format": "onnx", "precision": "fp16", "device": "cuda", "converted_from": GGUF} | made,
    }
    return Model.model_validate(described), file


@pytest.fixture(scope="module")
def volumes(client: docker.DockerClient, image: str, model: tuple[Model, Path]) -> Iterator[dict[str, str]]:
    """The real volume of each form; the GGUF one is filled."""
    names = {key: f"{PREFIX}-convert-{n}" for n, key in enumerate((GGUF, FOLDER, ONNX, GPU))}
    with (
        volume(client, names[GGUF], image, VOLUMES[GGUF].path),
        volume(client, names[FOLDER], image, VOLUMES[FOLDER].path),
        volume(client, names[ONNX], image, VOLUMES[ONNX].path),
        volume(client, names[GPU], image, VOLUMES[GPU].path),
    ):
        write(client, image, names[GGUF], VOLUMES[GGUF].path, model[1].name, model[1].read_bytes())
        yield names


def write(client: docker.DockerClient, image: str, name: str, path: str, file: str, content: bytes) -> None:
    import io
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo(file)
        info.size, info.mode, info.uid, info.gid = len(content), 0o444, 10001, 10001
        tar.addfile(info, io.BytesIO(content))
    holder = client.containers.create(image, entrypoint=["true"], volumes={name: {"bind": path, "mode": "rw"}})
    try:
        holder.put_archive(path, buffer.getvalue())
    finally:
        holder.remove(force=True)


def job(model: Model, key: str, image: str) -> Workload:
    return conversion_job("convert", model, key, image, VOLUMES[model.weights[key].converted_from or ""], VOLUMES[key])


def run(
    client: docker.DockerClient, model: Model, key: str, image: str, volumes: dict[str, str]
) -> tuple[int, list[dict[str, object]], str]:
    made = job(model, key, image)
    origin = model.weights[key].converted_from or ""
    real = {VOLUMES[key].name: volumes[key], VOLUMES[origin].name: volumes[origin]}
    code, output, errors = run_job(client, made, real, "none")
    return code, [json.loads(line) for line in output.splitlines()], errors


def record(client: docker.DockerClient, image: str, volumes: dict[str, str], key: str) -> dict[str, object]:
    """The record in a volume, read by another user, as an engine would."""
    shown = client.containers.run(
        image,
        ["/there/conversion.json"],
        entrypoint=["cat"],
        user="2000:10001",
        remove=True,
        network_mode="none",
        volumes={volumes[key]: {"bind": "/there", "mode": "ro"}},
    )
    found: dict[str, object] = json.loads(shown)
    return found


@pytest.mark.timeout(900)
def test_a_gguf_file_becomes_a_folder_and_that_a_folder_for_onnx_runtime_and_both_answer(
    client: docker.DockerClient, image: str, model: tuple[Model, Path], volumes: dict[str, str]
) -> None:
    for key in (FOLDER, ONNX):
        code, events, errors = run(client, model[0], key, image, volumes)
        assert (code, errors) == (0, ""), key
        assert events[-1]["event"] == "done"
        written = record(client, image, volumes, key)
        assert written["pin"] == model[0].pin(key)
        assert written["tried"] == {"how": "generated on the CPU", "answer": "80"}, key
    code, events, _ = run(client, model[0], FOLDER, image, volumes)
    assert (code, [event["event"] for event in events]) == (0, ["present"])


@pytest.mark.timeout(900)
def test_a_folder_for_gpus_is_made_where_there_is_none(
    client: docker.DockerClient, image: str, model: tuple[Model, Path], volumes: dict[str, str]
) -> None:
    code, _, errors = run(client, model[0], GPU, image, volumes)
    assert (code, errors) == (0, "")
    tried = record(client, image, volumes, GPU)["tried"]
    assert isinstance(tried, dict)
    assert tried["answer"] is None


def test_too_little_memory_is_told_as_that(
    client: docker.DockerClient, image: str, model: tuple[Model, Path], volumes: dict[str, str]
) -> None:
    made = job(model[0], FOLDER, image)
    small = made.model_copy(update={"resources": made.resources.model_copy(update={"memory_mib": 96})})
    with volume(client, f"{PREFIX}-convert-small", image, VOLUMES[FOLDER].path) as target:
        real = {VOLUMES[FOLDER].name: target, VOLUMES[GGUF].name: volumes[GGUF]}
        code, _, errors = run_job(client, small, real, "none")
        assert code == 5
        assert "96 MiB this container may use" in errors


def test_a_stopped_conversion_ends_at_once_and_leaves_nothing_half_done(
    client: docker.DockerClient, image: str, model: tuple[Model, Path], volumes: dict[str, str]
) -> None:
    made = job(model[0], FOLDER, image)
    with volume(client, f"{PREFIX}-convert-stopped", image, VOLUMES[FOLDER].path) as target:
        real = {VOLUMES[FOLDER].name: target, VOLUMES[GGUF].name: volumes[GGUF]}
        with container(client, made, f"{PREFIX}-stopped", real, "none") as running:
            running.start()
            deadline = time.monotonic() + 240
            while b'"step"' not in running.logs():
                assert time.monotonic() < deadline, "no step was told"
                time.sleep(0.1)
            running.stop(timeout=30)
            assert running.wait()["StatusCode"] == 143
        left = client.containers.run(
            image,
            ["-A", "/there"],
            entrypoint=["ls"],
            remove=True,
            volumes={target: {"bind": "/there", "mode": "ro"}},
        )
        assert left.decode().split() == [".converting.lock"]
