"""The fetch image as the job it is: without rights, with Debian's libraries, on a real volume."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from rich.console import Console

from components.catalog import catalog
from components.fetching import fetch_job
from components.model_sources import PathSource
from components.models import Model
from components.settings import load
from components.targets.docker.container import Names
from components.workload import Volume, Workload
from ops import local_weights
from ops.images.build import Builder
from ops.local_weights import bring
from ops.machine import PROJECT
from tests.docker.container_harness import PREFIX, container, run_job, volume
from tests.unit.fetch_harness import (
    HUB_PATH,
    WEIGHTS,
    Site,
    hub,
    library,
    packages,
    publish_library,
    publish_packages,
    serving,
    sha256,
)
from tests.unit.fetch_publishers import COMMIT, FILES, azure, hub_folder, pinned, publish_azure, publish_folder

pytestmark = pytest.mark.docker

STORE = Volume(name="weights", path="/models", size_gib=1)


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    found = docker.from_env()
    yield found
    found.close()


@pytest.fixture(scope="module")
def image(client: docker.DockerClient) -> str:
    builder, row = Builder(client, Console(quiet=True)), catalog().images["fetch"]
    return builder.present("fetch", row) or builder.build("fetch", row)


@pytest.fixture
def weights(client: docker.DockerClient, image: str) -> Iterator[str]:
    with volume(client, f"{PREFIX}-fetch", image, "/models") as name:
        yield name


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site(files={HUB_PATH: WEIGHTS})) as running:
        yield running


def described(weights: dict[str, object]) -> Model:
    return Model.model_validate(
        {
            "name": "tiny",
            "license": "MIT",
            "context_length": 4096,
            "parameters": 1,
            "layers": 1,
            "kv_heads": 1,
            "head_size": 1,
            "weights": {"only": weights},
        }
    )


def tiny(*sources: dict[str, object]) -> Model:
    return described(
        {
            "format": "gguf",
            "precision": "f32",
            "size_bytes": len(WEIGHTS),
            "files": [{"path": "tiny.gguf", "size_bytes": len(WEIGHTS), "sha256": sha256(WEIGHTS)}],
            "sources": sources,
        }
    )


def folder(*sources: dict[str, object], known: bool = True) -> Model:
    """A model whose weights are a folder of safetensors."""
    size = sum(map(len, FILES.values()))
    files = pinned(FILES) if known else []
    return described(
        {"format": "safetensors", "precision": "bf16", "size_bytes": size, "files": files, "sources": sources}
    )


def job(image: str, *sources: dict[str, object]) -> Workload:
    model = tiny(*sources)
    return fetch_job("fetch", model, model.weights["only"], image, STORE, layout="ollama")


def folder_job(image: str, *sources: dict[str, object], known: bool = True) -> Workload:
    model = folder(*sources, known=known)
    return fetch_job("fetch", model, model.weights["only"], image, STORE, layout="folder")


def test_each_source_serves_in_the_restricted_container(client: docker.DockerClient, image: str, site: Site) -> None:
    digest, names = publish_library(site), publish_packages(site)
    for source in (hub(site), library(site, digest=digest), packages(site, names)):
        with volume(client, f"{PREFIX}-fetch", image, "/models") as weights:
            code, output, errors = run_job(client, job(image, source), {"weights": weights}, "host")
            assert (code, errors) == (0, ""), source["kind"]
            last = json.loads(output.splitlines()[-1])
            assert (last["event"], last["source"], last["sha256"]) == ("done", source["kind"], sha256(WEIGHTS))


@pytest.mark.parametrize("known", [True, False], ids=["pinned", "listed"])
def test_a_folder_of_each_source_is_fetched_in_the_restricted_container(
    client: docker.DockerClient, image: str, site: Site, known: bool
) -> None:
    publish_folder(site)
    publish_azure(site)
    site.cut, site.cut_path = [100_000], f"/maker/tiny/resolve/{COMMIT}/model-00001-of-00002.safetensors"
    for source in (hub_folder(site), azure(site)):
        with volume(client, f"{PREFIX}-fetch", image, "/models") as weights:
            code, output, errors = run_job(client, folder_job(image, source, known=known), {"weights": weights}, "host")
            assert (code, errors) == (0, ""), source["kind"]
            last = json.loads(output.splitlines()[-1])
            assert (last["event"], last["source"], last["files"]) == ("done", source["kind"], len(FILES))
            assert client.containers.run(
                image,
                ["-c", "cd /models && find . -path ./fetched -prune -o -type f -print0 | sort -z | xargs -0 sha256sum"],
                entrypoint=["sh"],
                volumes={weights: {"bind": "/models", "mode": "ro"}},
                remove=True,
                network="none",
            ).decode().splitlines() == [f"{sha256(data)}  ./{path}" for path, data in sorted(FILES.items())]
    assert {"Range": "bytes=100000-"}.items() <= site.asked(site.cut_path)[1].items()


def test_docker_stop_ends_a_job_with_several_transfers_at_once(
    client: docker.DockerClient, image: str, site: Site, weights: str
) -> None:
    publish_folder(site)
    site.slow = 25
    with container(
        client, folder_job(image, hub_folder(site)), f"{PREFIX}-stop", {"weights": weights}, "host"
    ) as running:
        running.start()
        deadline = time.monotonic() + 60
        while site.busy < 2:
            assert time.monotonic() < deadline, "two transfers at once"
            time.sleep(0.1)
        running.stop(timeout=10)
        # Had it waited for a transfer, which takes longer than that, Docker would have killed it.
        assert running.wait()["StatusCode"] == 143


@pytest.mark.alone
def test_a_second_job_is_done_within_a_second_of_starting(
    client: docker.DockerClient, image: str, site: Site, weights: str
) -> None:
    assert run_job(client, job(image, hub(site)), {"weights": weights}, "host")[0] == 0
    site.requests.clear()
    took = []
    for _ in range(3):
        with container(client, job(image, hub(site)), f"{PREFIX}-again", {"weights": weights}, "host") as again:
            again.start()
            assert again.wait(timeout=60)["StatusCode"] == 0
            assert "already there" in again.logs().decode()
            again.reload()
            state = again.attrs["State"]
            took.append(_seconds(state["FinishedAt"]) - _seconds(state["StartedAt"]))
    assert min(took) < 1, "of three the fastest: whatever else this machine does makes the others longer"
    assert site.requests == []


def _seconds(moment: str) -> float:
    clock = moment.split("T")[1].rstrip("Z")
    hours, minutes, seconds = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def test_control_21_a_disk_that_is_too_small_stops_the_job_before_any_request(
    client: docker.DockerClient, image: str, site: Site
) -> None:
    small = {"driver": "local", "driver_opts": {"type": "tmpfs", "device": "tmpfs", "o": "size=1300k,uid=10001"}}
    with volume(client, f"{PREFIX}-small", image, "/models", **small) as weights:
        code, _, errors = run_job(client, job(image, hub(site)), {"weights": weights}, "host")
    assert code == 3
    assert "GB are free" in errors
    assert site.requests == []


def test_docker_stop_ends_the_job_at_once(client: docker.DockerClient, image: str, site: Site, weights: str) -> None:
    site.cut, site.status[HUB_PATH] = [400_000], [200, 503]
    with container(client, job(image, hub(site)), f"{PREFIX}-stop", {"weights": weights}, "host") as running:
        running.start()
        deadline = time.monotonic() + 60
        while "retry" not in running.logs().decode():
            assert time.monotonic() < deadline, "no further attempt was told of"
            time.sleep(0.1)
        running.stop(timeout=10)
        # Docker would have killed one that does not end within ten seconds.
        assert running.wait()["StatusCode"] == 143
    site.status.clear()
    assert run_job(client, job(image, hub(site)), {"weights": weights}, "host")[0] == 0
    assert site.asked(HUB_PATH)[-1]["Range"] == "bytes=400000-"


def test_fault_9_wrong_bytes_are_refused_and_the_job_fails(
    client: docker.DockerClient, image: str, site: Site, weights: str
) -> None:
    site.files[HUB_PATH] = b"\xff" + WEIGHTS[1:]
    code, _, errors = run_job(client, job(image, hub(site)), {"weights": weights}, "host")
    assert code == 4
    assert "the pinned one is" in errors
    assert "Traceback" not in errors


def test_a_path_on_this_machine_is_copied_in_once_and_verified(
    client: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    (tmp_path / "tiny.gguf").write_bytes(WEIGHTS)
    model = tiny({"kind": "path", "path": str(tmp_path / "tiny.gguf")}).model_dump(mode="json", exclude_none=True)
    overlay = {
        "slm:models": {"tiny": model | {"template": "chatml-tools"}},
        "slm:model": "tiny",
        "slm:images": {"fetch": image, "ollama": image},
    }
    settings, said = load("dev", PROJECT, overlay), Console(record=True, width=200, file=io.StringIO())
    ((name, engine),) = settings.engines.items()
    fetching = engine.workload(name, settings.models["tiny"], settings.images).volumes[0].fill[0]
    weights = Names(PREFIX).volume(fetching.volumes[0].name)
    with volume(client, weights, image, "/models"):
        bring(client, PREFIX, settings, said)
        code, output, errors = run_job(client, fetching, {fetching.volumes[0].name: weights}, "none")
        assert (code, errors) == (0, "")
        assert json.loads(output.splitlines()[-1])["source"] == "path"
        bring(client, PREFIX, settings, said)
    assert said.export_text().count("copying") == 1


def test_a_folder_on_this_machine_is_copied_in_and_verified_without_what_can_run(
    client: docker.DockerClient, image: str, tmp_path: Path
) -> None:
    for path, data in (FILES | {"modeling.py": b"x"}).items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(data)
    model = folder({"kind": "path", "path": str(tmp_path)}, known=False)
    the_weights = model.weights["only"]
    source = the_weights.sources[0]
    assert isinstance(source, PathSource)
    with volume(client, f"{PREFIX}-fetch", image, "/models") as weights:
        fetching = fetch_job("fetch", model, the_weights, image, STORE, layout="folder")
        holder = client.containers.create(
            image, entrypoint=["true"], volumes={weights: {"bind": "/models", "mode": "rw"}}
        )
        files = local_weights._files(model, the_weights, source)
        client.api.put_archive(holder.id, "/models", local_weights._archive(files, (fetching.user, fetching.group)))
        holder.remove()
        code, output, errors = run_job(client, fetching, {"weights": weights}, "none")
    assert (code, errors) == (0, "")
    last = json.loads(output.splitlines()[-1])
    assert (last["source"], last["files"], last["skipped"]) == ("path", len(FILES), {})


def test_the_image_has_no_rights_and_no_root(client: docker.DockerClient, image: str) -> None:
    config = client.images.get(image).attrs["Config"]
    assert config["User"] == "10001:10001"
    found = client.containers.run(
        image,
        ["/", "-xdev", "-perm", "/6000", "-type", "f"],
        entrypoint=["find"],
        user="0",
        remove=True,
        network="none",
    )
    assert found == b""
