"""The conversion job: what it is told, what it may use, and that it has no way out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.conversion import conversion_job, conversion_mib, conversion_plan
from components.models import Model
from components.workload import Volume, Workload
from tests.unit.models_samples import GGUF, HUB, SHA, gguf, model

pytestmark = pytest.mark.unit

IMAGE = f"sha256:{'c' * 64}"
FOLDER: dict[str, Any] = {
    "format": "safetensors",
    "precision": "bf16",
    "size_bytes": 1_000_000_000,
    "converted_from": GGUF,
}
ONNX: dict[str, Any] = {
    "format": "onnx",
    "precision": "int4",
    "device": "cpu",
    "size_bytes": 330_000_000,
    "converted_from": "folder",
}
SOURCE = Volume(name="gguf-1", path="/models/gguf", size_gib=1)
TARGET = Volume(name="hf-1", path="/models/huggingface", size_gib=1)


def converted(**changes: Any) -> Model:
    hub = HUB | {"token_secret": "hub-token"}
    weights = {GGUF: gguf(sources=[hub]), "folder": FOLDER, "onnx": ONNX | changes}
    return model(weights=weights)


def job(key: str = "folder") -> Workload:
    return conversion_job("dev-to-hf", converted(), key, IMAGE, SOURCE, TARGET)


def test_it_has_no_way_out_no_secret_and_cannot_write_its_source() -> None:
    made = job()
    assert made.is_job
    assert not made.egress
    assert made.secrets == ()
    assert made.user == 10001
    assert {(v.path, v.read_only) for v in made.volumes} == {("/models/gguf", True), ("/models/huggingface", False)}


def test_the_source_keeps_the_jobs_that_fill_it_and_the_target_loses_them() -> None:
    fill = (job(),)
    volumes = (v.model_copy(update={"fill": fill, "read_only": False}) for v in (SOURCE, TARGET))
    target, source = conversion_job("again", converted(), "folder", IMAGE, *volumes).volumes
    assert target.fill == ()
    assert source.fill == fill
    assert source.read_only


def test_the_plan_names_the_input_by_its_digest_and_the_output_by_its_pin() -> None:
    described = converted()
    plan = json.loads(job().files[0].content)
    assert plan["input"]["files"] == [{"path": "tiny.gguf", "size_bytes": 500_000_000, "sha256": SHA}]
    assert plan["input"]["pin"] == SHA
    assert plan["output"]["pin"] == described.pin("folder")
    assert plan["output"]["directory"] == "/models/huggingface"
    assert plan == conversion_plan(described, "folder", "/models/gguf", "/models/huggingface")


def test_a_second_conversion_tells_where_the_first_form_came_from_without_naming_its_secret() -> None:
    plan = conversion_plan(converted(), "onnx", "/models/huggingface", "/models/onnx")
    assert plan["input"]["sources"][0]["repo"] == "maker/tiny"  # type: ignore[index]
    assert plan["input"]["files"] == []  # type: ignore[index]
    assert "hub-token" not in json.dumps(plan)


@pytest.mark.parametrize("change", [{"precision": "int8"}, {"device": "cuda"}, {"converted_from": GGUF}])
def test_whatever_changes_the_result_changes_its_pin(change: dict[str, Any]) -> None:
    assert converted(**change).pin("onnx") != converted().pin("onnx")


def test_weights_with_sources_of_their_own_are_not_converted() -> None:
    with pytest.raises(ValueError, match="not converted from any"):
        conversion_plan(converted(), GGUF, "/a", "/b")


def test_memory_grows_with_the_parameters_and_is_the_larger_of_the_steps() -> None:
    small, large = (model(parameters=n, weights=converted().weights) for n in (500_000_000, 4_000_000_000))
    for key in ("folder", "onnx"):
        assert conversion_mib(large, key) > 4 * conversion_mib(small, key)
    through = {**converted().weights, "onnx": converted(converted_from=GGUF).weights["onnx"]}
    assert conversion_mib(model(weights=through), "onnx") >= conversion_mib(small, "folder")
    assert job().resources.memory_mib >= conversion_mib(converted(), "folder")


@pytest.mark.parametrize(
    ("parameters", "key", "measured_mib"),
    # Peak memory of the steps for Qwen2.5-Coder 0.5B and for Gemma 3 270M, whose vocabulary is the largest there is.
    [(494_032_768, "folder", 2937), (268_098_176, "folder", 3174), (494_032_768, "onnx", 4390)],
)
def test_what_was_measured_is_allowed(parameters: int, key: str, measured_mib: int) -> None:
    assert conversion_mib(model(parameters=parameters, weights=converted().weights), key) >= measured_mib
