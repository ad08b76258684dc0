"""The catalogue: rows are whole, pins lie over them, and nothing is pinned without saying where it was found."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from components.catalog import DIRECTORY, ImageRow, catalog, merge, read
from components.catalog.hardware import hardware
from components.engines.ollama import Ollama
from components.models import TEMPLATES
from components.settings import load

pytestmark = pytest.mark.unit

ROW = {"purpose": "p", "repository": "r/i", "tag": "1.2.3", "build": "i", "build_version": "1.2.0", "user": 10001}
SHA = "ab" * 32
PROJECT = DIRECTORY.parents[1]


def copy(directory: Path, pins: str) -> Path:
    for name in ("models.toml", "images.toml"):
        shutil.copy(DIRECTORY / name, directory)
    (directory / "pins.toml").write_text(pins)
    return directory


def test_the_default_models_and_the_images_of_a_stack_are_known() -> None:
    assert {"qwen2.5-coder-0.5b-instruct", "phi4-mini"} <= set(catalog().models)
    assert {"ollama", "haproxy", "fetch", "vllm", "vllm-cpu", "convert", "torch"} <= set(catalog().images)


def test_every_image_with_a_build_folder_can_be_built_from_it() -> None:
    built = {role: row.build for role, row in catalog().images.items() if row.build}
    assert {"ollama", "haproxy", "fetch", "vllm-cpu"} <= set(built)
    for role, folder in built.items():
        assert (DIRECTORY.parents[1] / "images" / folder / "Dockerfile").is_file(), role


@pytest.mark.parametrize("stack", ["dev", "prod", "edge"])
def test_what_the_committed_stacks_use_is_pinned(stack: str) -> None:
    assert load(stack, PROJECT).unpinned() == []


def test_every_digest_says_where_it_was_read() -> None:
    assert all(row.source for row in catalog().images.values() if row.digest)
    with pytest.raises(ValidationError, match="a digest without its source"):
        ImageRow.model_validate({**ROW, "digest": SHA})


def test_a_version_below_the_minimum_cannot_enter_the_catalogue() -> None:
    minimum = {"minimum_version": "1.2.3", "minimum_reason": "CVE-1"}
    with pytest.raises(ValidationError, match=r"1\.2\.0 < 1\.2\.3 \(CVE-1\)"):
        ImageRow.model_validate({**ROW, **minimum})
    assert ImageRow.model_validate({**ROW, **minimum, "build_version": "1.10.0"}).too_old("1.2.3-slim") is None


@pytest.mark.parametrize(
    ("version", "old"),
    [("0.9", True), ("1.2.2", True), ("v1.2.2", True), ("1.2.3", False), ("lts", False), (None, False)],
)
def test_versions_are_compared_as_numbers(version: str | None, old: bool) -> None:
    row = ImageRow.model_validate({**ROW, "build_version": "2", "minimum_version": "1.2.3", "minimum_reason": "CVE-1"})
    assert bool(row.too_old(version)) is old


def test_a_pin_lies_over_the_row_of_the_same_name(tmp_path: Path) -> None:
    pins = (
        f'[images.haproxy]\ntag = "9.9.9"\ndigest = "{SHA}"\nsource = "registry"\n[models.phi4-mini]\nparameters = 7\n'
    )
    read_with_pins = read(copy(tmp_path, pins))
    assert read_with_pins.images["haproxy"].pinned == f"haproxy:9.9.9@sha256:{SHA}"
    assert read_with_pins.models["phi4-mini"].parameters == 7
    assert read_with_pins.models["phi4-mini"].license == "MIT"


def test_a_pin_for_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"pins\.toml: images\.nginx pins what is not in the catalogue"):
        read(copy(tmp_path, f'[images.nginx]\ndigest = "{SHA}"\n'))


def test_the_dev_models_bytes_are_the_official_ones_in_both_sources() -> None:
    weights = catalog().models["qwen2.5-coder-0.5b-instruct"].weights["gguf-q4_k_m"]
    assert (weights.size_bytes, weights.file.sha256) == (
        491_400_064,
        "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    )
    assert [source.kind for source in weights.sources] == ["huggingface", "package"]


def test_merging_replaces_lists_and_keeps_what_is_not_mentioned() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    assert merge(base, {"a": {"c": [3]}, "d": {"e": 1}}) == {"a": {"b": 1, "c": [3]}, "d": {"e": 1}}
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": 1}


MODELS = sorted(catalog().models)
# Bits a parameter takes at most and at least in each precision, embeddings at more bits included.
BITS = {"q4_k_m": (4.4, 8.1), "q8_0": (8.2, 9.2), "bf16": (15.9, 18.0), "w4a16": (4.4, 8.0), "int4": (4.4, 14.1)}


def test_there_are_models_of_every_class() -> None:
    classes = [model.size_class for model in catalog().models.values()]
    assert len(classes) >= 20
    assert set(classes) == {"micro", "small", "medium"}
    assert min(classes.count(name) for name in ("micro", "small", "medium")) >= 5


@pytest.mark.parametrize("name", MODELS)
def test_a_models_facts_are_possible(name: str) -> None:
    model = catalog().models[name]
    assert 100e6 < model.parameters < 30.5e9
    assert 4096 <= model.context_length <= 262_144
    assert 10_000 < model.vocabulary < 300_000
    if model.window:
        assert model.window < model.context_length
        assert 0 < (model.full_attention_layers or 0) < model.layers
    # Keys and values are projections of the hidden state, which its layers' weights bound.
    assert model.layers * model.kv_heads * model.head_size * 2 < model.parameters / 100


@pytest.mark.parametrize("name", MODELS)
def test_a_models_weights_are_as_large_as_their_precision_makes_them(name: str) -> None:
    model = catalog().models[name]
    for key, weights in model.weights.items():
        low, high = BITS[weights.precision]
        bits = weights.size_bytes * 8 / model.parameters
        assert low <= bits <= high, f"{key}: {bits:.1f} bits a parameter"
        assert weights.precision in key
        assert key.startswith(weights.format)
        if weights.files:
            assert sum(file.size_bytes or 0 for file in weights.files) == weights.size_bytes


@pytest.mark.parametrize("name", MODELS)
def test_every_engine_finds_weights_and_ollama_a_template(name: str) -> None:
    model = catalog().models[name]
    formats = [weights.format for weights in model.weights.values()]
    assert formats[0] == "gguf", "the first form is the smallest one that runs everywhere"
    assert "safetensors" in formats
    engine = Ollama(kind="ollama", target="here", model=name, context_length=4096)
    engine.workload("chat", model, {"ollama": f"sha256:{SHA}", "fetch": f"sha256:{SHA}"})


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_calls_tools_says_how_it_writes_them(name: str) -> None:
    model = catalog().models[name]
    assert ("tools" in model.capabilities) == (model.tool_parser is not None)
    if "tools" in model.capabilities and model.template_text:
        assert ".ToolCalls" in model.template_text, "Ollama would answer 400 to a request with tools"


@pytest.mark.parametrize("name", MODELS)
def test_gguf_files_are_pinned_by_sha256_or_said_to_be_unpinned(name: str) -> None:
    model = catalog().models[name]
    for key, weights in model.weights.items():
        if weights.format == "gguf" and key == "gguf-q4_k_m":
            assert weights.file.sha256
        if not model.unpinned_reasons([key]):
            origin = model.origin_of(key)
            assert all(file.sha256 for file in origin.files)


def test_no_two_forms_have_the_same_bytes() -> None:
    found: dict[str, str] = {}
    for name, model in catalog().models.items():
        for key, weights in model.weights.items():
            for file in weights.files:
                if file.sha256:
                    assert found.setdefault(file.sha256, f"{name} {key}") == f"{name} {key}"


def test_gated_models_ask_for_a_token_where_their_makers_do() -> None:
    gated = [model for model in catalog().models.values() if model.gated]
    assert len(gated) >= 5
    for model in gated:
        (source,) = model.weights["safetensors-bf16"].sources
        assert getattr(source, "token_secret", None)


def test_prices_are_there_only_with_their_source() -> None:
    text = (DIRECTORY / "prices.toml").read_text()
    assert "github.com/Azure/karpenter-provider-azure" in text
    assert "read = " in text
    assert "usd_per_hour" not in (DIRECTORY / "vm_sizes.toml").read_text(), "a price is written once"
    assert any(size.usd_per_hour for size in hardware().vm_sizes.values())


def test_gpus_of_the_catalogue_are_those_people_have() -> None:
    assert {"T4", "A10", "A10-4Q", "A100-40", "A100-80", "H100-NVL", "L4", "RTX-4060"} <= set(hardware().gpus)
    for name, gpu in hardware().gpus.items():
        assert 0.85 < gpu.usable_mib / (gpu.memory_gib * 1024) < 1, name
        assert gpu.bf16 == (gpu.compute_capability >= 8)
        assert gpu.fp8 == (gpu.compute_capability >= 8.9)


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.gotmpl")), ids=lambda path: path.stem)
def test_templates_show_tools_as_json(path: Path) -> None:
    """A tool printed by `{{ . }}` is Go's own notation: a small model then copied the schema into its arguments."""
    text = path.read_text()
    assert "{{ . }}" not in text
    if ".Tools" in text:
        assert "{{ json . }}" in text or "{{ $.Tools }}" in text or "{{ .Tools }}" in text
        assert ".ToolCalls" in text
