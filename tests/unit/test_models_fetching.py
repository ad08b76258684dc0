"""The fetch job: what it is told, what it may do, and what it never holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from components.catalog import catalog
from components.fetching import fetch_job, record
from components.models import Model, Site
from components.workload import Volume, Workload
from tests.unit.fetch_harness import program
from tests.unit.models_samples import GGUF, HUB, LIBRARY, PACKAGES, PATH, SHA, model

pytestmark = pytest.mark.unit

IMAGE = "sha256:" + "a" * 64
STORE = Volume(name="weights", path="/models", size_gib=1, keep=True)


def job(a_model: Model, site: Site | None = None) -> Workload:
    return fetch_job("chat-fetch", a_model, a_model.weights[GGUF], IMAGE, STORE, layout="ollama", site=site)


def plan_of(workload: Workload) -> dict[str, Any]:
    (content,) = [f.content for f in workload.files if f.name == "plan.json"]
    return dict(json.loads(content))


def test_the_job_alone_may_go_out_and_alone_writes_the_volume() -> None:
    fetching = job(model())
    assert fetching.egress
    assert fetching.is_job
    assert fetching.user >= 10000
    assert [(v.name, v.read_only, v.fill) for v in fetching.volumes] == [("weights", False, ())]


def test_the_plan_carries_pin_size_and_sources_in_order() -> None:
    plan = plan_of(job(model(sources=[LIBRARY, HUB, PACKAGES])))
    assert [s["kind"] for s in plan["sources"]] == ["ollama", "huggingface", "package"]
    assert plan["files"] == [f.model_dump() for f in model().weights[GGUF].files]
    assert plan["files"][0]["sha256"] == SHA
    assert plan["format"] == "gguf"
    assert plan["size_bytes"] == 500_000_000
    assert plan["directory"] == "/models"


def test_a_path_is_told_as_where_up_copies_it_to() -> None:
    (source,) = plan_of(job(model(sources=[PATH])))["sources"]
    assert source["path"] == "/models/fetched/incoming/tiny.gguf"
    assert source["origin"] == "/data/tiny.gguf"


def test_a_token_is_a_secret_file_and_only_its_name_is_in_the_plan() -> None:
    fetching = job(model(sources=[HUB | {"token_secret": "team-token"}]))
    assert [(s.name, s.secret) for s in fetching.secrets] == [("hub-token", "team-token")]
    assert plan_of(fetching)["sources"][0]["token_file"] == "/etc/slm/hub-token"
    assert not any("token" in key.lower() for key in fetching.env)


def test_two_different_tokens_are_refused_by_name() -> None:
    sources = [HUB | {"token_secret": "one"}, HUB | {"token_secret": "two"}]
    with pytest.raises(ValueError, match=r"several token secrets \(one, two\)"):
        job(model(sources=sources))


AZURE = {"kind": "azure", "model": "Tiny", "version": "3", "file": "tiny.gguf", "token_secret": "foundry-token"}


def test_a_hubs_and_azures_tokens_are_files_of_their_own() -> None:
    fetching = job(model(sources=[HUB | {"token_secret": "team-token"}, AZURE]))
    assert [(s.name, s.secret) for s in fetching.secrets] == [
        ("hub-token", "team-token"),
        ("azure-token", "foundry-token"),
    ]
    assert [s["token_file"] for s in plan_of(fetching)["sources"]] == ["/etc/slm/hub-token", "/etc/slm/azure-token"]


def of_folder(*sources: dict[str, Any], files: list[dict[str, Any]] | None = None) -> Workload:
    weights = {"format": "safetensors", "precision": "bf16", "size_bytes": 10**9, "files": files or []}
    a_model = model(weights={"bf16": weights | {"sources": sources}})
    return fetch_job("chat-fetch", a_model, a_model.weights["bf16"], IMAGE, STORE, layout="folder")


def test_the_plan_of_a_folder_names_its_files_and_where_each_source_has_them() -> None:
    files = [{"path": "config.json"}, {"path": "model.safetensors", "size_bytes": 5, "sha256": SHA}]
    hub = {"kind": "huggingface", "repo": "maker/tiny", "revision": "unpinned", "folder": "cpu"}
    plan = plan_of(of_folder(hub, {"kind": "path", "path": "/data/tiny"}, files=files))
    assert (plan["layout"], plan["format"]) == ("folder", "safetensors")
    assert [(f["path"], f["size_bytes"], f["sha256"]) for f in plan["files"]] == [
        ("config.json", None, None),
        ("model.safetensors", 5, SHA),
    ]
    assert (plan["sources"][0]["folder"], plan["sources"][0]["revision"]) == ("cpu", "unpinned")
    assert (plan["sources"][1]["path"], plan["sources"][1]["origin"]) == ("/models/fetched/incoming", "/data/tiny")


def test_the_plan_says_how_a_checkpoint_is_described_so_that_the_job_can_compare() -> None:
    quantised = {"format": "safetensors", "precision": "int4", "size_bytes": 10**9, "files": [], "quantization": "awq"}
    hub = {"kind": "huggingface", "repo": "maker/tiny", "revision": "unpinned"}
    a_model = model(weights={"awq": quantised | {"sources": (hub,)}})
    job = fetch_job("chat-fetch", a_model, a_model.weights["awq"], IMAGE, STORE, layout="folder")
    assert plan_of(job)["quantization"] == "awq"
    assert "quantization" not in plan_of(of_folder(hub))


def test_the_record_of_weights_is_where_the_program_writes_it() -> None:
    (gguf,) = model().weights.values()
    folder = gguf.model_copy(update={"format": "safetensors"})
    assert record(gguf) == "fetched/tiny.gguf.json"
    assert record(folder) == "fetched/folder.json"


@pytest.mark.parametrize("name", catalog().models)
def test_the_program_accepts_the_plan_of_every_model_of_the_catalogue(name: str, tmp_path: Path) -> None:
    found = catalog().models[name]
    for key, weights in found.weights.items():
        if weights.converted_from:
            continue
        layout: Literal["file", "folder"] = "file" if weights.format == "gguf" else "folder"
        fetching = fetch_job("chat-fetch", found, weights, IMAGE, STORE, layout=layout)
        (tmp_path / "plan.json").write_text(json.dumps(plan_of(fetching)))
        plan = program("slm_fetch.plan").read_plan(tmp_path / "plan.json")
        assert [file.path for file in plan.files] == [file.path for file in weights.files], key


def test_the_sites_certificates_index_and_proxy_reach_the_job() -> None:
    site = Site(ca_certificates="PEM", index="https://mirror.example/simple", proxy="http://proxy.example:3128")
    fetching = job(model(sources=[PACKAGES]), site)
    assert {f.name: f.content for f in fetching.files}["site-ca.pem"] == "PEM"
    assert plan_of(fetching)["ca_bundle"] == "/etc/slm/site-ca.pem"
    assert plan_of(fetching)["sources"][0]["index"] == "https://mirror.example/simple"
    assert fetching.env["HTTPS_PROXY"] == "http://proxy.example:3128"


def test_a_models_own_index_wins_over_the_sites() -> None:
    source = PACKAGES | {"index": "https://own.example/simple"}
    plan = plan_of(job(model(sources=[source]), Site(index="https://mirror.example/simple")))
    assert plan["sources"][0]["index"] == "https://own.example/simple"


def test_the_deadline_leaves_a_large_model_time_on_a_slow_line() -> None:
    assert job(model(size_bytes=2_500_000_000)).deadline >= 2_500_000_000 / 1_000_000 * 2
