"""What a host has to give, how the fetch job of another one asks for it, and what the container that gives may do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.engines.llamacpp import LlamaCpp
from components.engines.ollama import Ollama
from components.models import Model
from components.neighbours import Given, Neighbour, Neighbours, content, fetching, given, record, with_neighbour
from components.serving import IDLE, KEY, LABEL, TOKEN, Offered, serve_job
from components.targets.docker import neighbours
from components.targets.docker.container import Mount, Names, job_arguments
from components.targets.docker.neighbours import NEIGHBOURS_VARIABLE
from components.weights_volumes import weights_volume
from components.workload import Volume, Workload
from tests.unit.fetch_harness import program
from tests.unit.models_samples import GGUF, HUB, PATH, SHA, gguf, model

pytestmark = pytest.mark.unit

IMAGES = {role: "sha256:" + "a" * 64 for role in ("fetch", "convert", "ollama", "llamacpp")}
KINDS = {Ollama: "ollama", LlamaCpp: "llamacpp"}
NEAR = Neighbour(endpoint="https://192.0.2.1:8444", token="canary" + "t" * 40, authority="-----BEGIN CERTIFICATE-----")
FOLDER_FILES = [{"path": "config.json", "size_bytes": 3, "sha256": "3" * 64}, {"path": "a/m.onnx", "size_bytes": 4,
                "sha256": "4" * 64}]  # fmt: skip
FOLDER = {
    "format": "onnx",
    "precision": "int4",
    "device": "cpu",
    "size_bytes": 7,
    "files": FOLDER_FILES,
    "sources": [{**{k: v for k, v in HUB.items() if k != "file"}, "folder": ""}],
}


def job_of(volume: Volume) -> Workload:
    found = fetching(volume)
    assert found
    return found


def volume_of(a_model: Model, engine: type[Ollama] | type[LlamaCpp] | None = None, key: str = GGUF) -> Volume:
    if engine is None:
        return weights_volume("chat", a_model, key, IMAGES)
    own = engine.model_validate({"kind": KINDS[engine], "target": "site", "model": a_model.name})
    return own.workload("chat", a_model, IMAGES).volumes[0]


def plan_of(job: Workload) -> dict[str, Any]:
    return dict(json.loads(next(file.content for file in job.files if file.name == "plan.json")))


def test_every_layout_gives_its_files_where_the_fetch_program_puts_them() -> None:
    a_model = model(weights={GGUF: gguf(), "onnx": FOLDER})
    assert given(job_of(volume_of(a_model, Ollama))) == (
        Given(path=f"blobs/sha256-{SHA}", sha256=SHA, size_bytes=500_000_000),
    )
    assert [file.path for file in given(job_of(volume_of(a_model)))] == ["tiny.gguf"]
    assert [file.path for file in given(job_of(volume_of(a_model, key="onnx")))] == ["config.json", "a/m.onnx"]


def test_the_record_is_where_the_fetch_program_writes_it(tmp_path: Path) -> None:
    a_model = model(weights={GGUF: gguf(), "onnx": FOLDER})
    assert record(job_of(volume_of(a_model))) == record(job_of(volume_of(a_model, Ollama))) == "fetched/tiny.gguf.json"
    assert record(job_of(volume_of(a_model, key="onnx"))) == "fetched/folder.json"
    plan = tmp_path / "plan.json"
    for key, kind in ((GGUF, "store.Store"), ("onnx", "folder.Folder")):
        job = job_of(volume_of(a_model, key=key))
        plan.write_text(json.dumps(plan_of(job)))
        module, _, name = kind.partition(".")
        read = program("slm_fetch.plan").read_plan(plan)
        store = getattr(program(f"slm_fetch.{module}"), name)(read, None)
        assert str(store.record) == f"{plan_of(job)['directory']}/{record(job)}"


def test_one_content_has_one_name_whatever_the_engine() -> None:
    stores = [given(job_of(volume_of(model(), engine))) for engine in (Ollama, LlamaCpp)]
    assert content(stores[0]) == content(stores[1])
    assert content(stores[0]) != content(given(job_of(volume_of(model(sha256="5" * 64)))))
    assert content(()) is None


@pytest.mark.parametrize("changes", [{"sha256": None}, {"sources": [PATH]}, {"sources": [HUB, PATH]}])
def test_what_cannot_be_checked_and_what_is_copied_to_each_host_is_not_given(changes: dict[str, Any]) -> None:
    assert given(job_of(volume_of(model(**changes)))) == ()


def test_what_is_converted_is_not_given_and_what_it_is_made_from_is() -> None:
    hf = {"format": "safetensors", "precision": "bf16", "size_bytes": 9, "converted_from": GGUF}
    made = volume_of(model(weights={GGUF: gguf(), "hf": hf}), key="hf")
    assert fetching(made) is None
    assert with_neighbour(made, NEAR) == (made, {})
    (origin,) = [volume for volume in made.fill[0].volumes if volume.name != made.name]
    assert content(given(job_of(origin)))


@pytest.mark.parametrize("engine", [None, Ollama])
def test_the_neighbour_is_asked_first_and_the_sources_after_it(engine: type[Ollama] | None, tmp_path: Path) -> None:
    volume = volume_of(model(sources=[HUB | {"token_secret": "team-token"}]), engine)
    asking, secrets = with_neighbour(volume, NEAR)
    job, before = job_of(asking), job_of(volume)
    plan = plan_of(job)
    assert plan["sources"][0] == {
        "kind": "neighbour",
        "endpoint": "https://192.0.2.1:8444",
        "token_file": "/etc/slm/neighbour-token",
        "token_secret": "neighbour-token",
        "ca_file": "/etc/slm/neighbour-ca.pem",
    }
    assert plan | {"sources": plan["sources"][1:]} == plan_of(before)
    assert [secret.name for secret in job.secrets] == ["hub-token", "neighbour-token"]
    assert secrets == {"neighbour-token": NEAR.token}
    assert [one for one in asking.fill if one is not job] == [one for one in volume.fill if one is not before]
    assert job.model_copy(update={"files": before.files, "secrets": before.secrets}) == before
    # The program takes the plan, and the token is in no file that describes anything.
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    assert program("slm_fetch.plan").read_plan(tmp_path / "plan.json").sources[0]["kind"] == "neighbour"
    assert NEAR.token not in job.model_dump_json()


def test_only_the_volume_that_is_named_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume, file = volume_of(model()), tmp_path / "told.json"
    monkeypatch.delenv(NEIGHBOURS_VARIABLE, raising=False)
    assert neighbours.asking(volume) == (volume, {})
    monkeypatch.setenv(NEIGHBOURS_VARIABLE, str(file))
    assert neighbours.asking(volume) == (volume, {}), "a file that is gone"
    file.write_text("{}")
    assert neighbours.asking(volume) == (volume, {}), "a file that says something else"
    file.write_text(Neighbours(volumes={"gguf-other": NEAR}).model_dump_json())
    assert neighbours.asking(volume) == (volume, {})
    file.write_text(Neighbours(volumes={volume.name: NEAR}).model_dump_json())
    assert plan_of(job_of(neighbours.asking(volume)[0]))["sources"][0]["kind"] == "neighbour"


def offered(*keys: str) -> list[Offered]:
    a_model = model(weights={GGUF: gguf(), "onnx": FOLDER})
    return [Offered(volume, given(job_of(volume))) for volume in (volume_of(a_model, key=key) for key in keys)]


def test_what_is_served_is_mounted_read_only_and_named_by_its_sha256() -> None:
    own = offered(GGUF, "onnx")
    job = serve_job(own, IMAGES["fetch"], 10001, 10001, "CERTIFICATE", 8444)
    offer = json.loads(next(file.content for file in job.files if file.name == "offer.json"))
    first = own[0].volume.name
    assert offer["files"][0] == {
        "file": f"/weights/{first}/tiny.gguf",
        "sha256": SHA,
        "size_bytes": 500_000_000,
    }
    assert [file["sha256"] for file in offer["files"]] == [SHA, "3" * 64, "4" * 64]
    assert (offer["port"], offer["idle"]) == (8444, IDLE)
    assert all(volume.read_only and not volume.fill for volume in job.volumes)
    assert len({volume.path for volume in job.volumes}) == 2


def test_control_10_16_the_server_has_no_way_out_no_right_and_its_secrets_in_files_only() -> None:
    job = serve_job(offered(GGUF), IMAGES["fetch"], 10001, 10001, "CERTIFICATE", 8444)
    assert job.is_job
    assert not job.egress
    assert job.env == {}
    assert [(secret.name, secret.secret) for secret in job.secrets] == [("token", TOKEN), ("key.pem", KEY)]
    names = Names("edge.a")
    arguments = job_arguments(job, names, [Mount(names.volume(v.name), v.path, True) for v in job.volumes], "own")
    assert arguments["user"] == "10001:10001"
    assert arguments["read_only"]
    assert arguments["cap_drop"] == ["ALL"]
    assert {mount["mode"] for mount in arguments["volumes"].values()} == {"ro"}
    assert LABEL != "slm.stack", "an `up` of the same host would take it for a stranger's"
