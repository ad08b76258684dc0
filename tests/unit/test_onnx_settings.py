"""What the server is told: environment, command line, CPU limit, and folders that cannot be served."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError

from servers.onnx.slm_onnx import folder
from servers.onnx.slm_onnx.batching import ProviderError, make, missing
from servers.onnx.slm_onnx.settings import Settings, cpu_limit, read
from tests.unit.onnx_harness import TINY, settings

pytestmark = pytest.mark.unit


def test_the_command_line_wins_over_the_environment() -> None:
    told = read(
        ["--parallel", "2"], {"SLM_ONNX_PARALLEL": "8", "SLM_ONNX_MODEL": "m", "SLM_ONNX_PREFIX_CACHE": "false"}
    )
    assert (told.parallel, told.model, told.prefix_cache) == (2, "m", False)


def test_every_setting_is_read_from_the_environment() -> None:
    given = {f"SLM_ONNX_{name.upper()}": "1" for name in Settings.model_fields}
    given |= {"SLM_ONNX_PROVIDERS": "cpu", "SLM_ONNX_BATCHING": "slots", "SLM_ONNX_LOG_LEVEL": "debug"}
    given |= {f"SLM_ONNX_{name}": "2048" for name in ("CONTEXT_LENGTH", "MAX_BODY_BYTES", "PREFILL_CHUNK")}
    told, plain = read([], given), Settings(model="x")
    assert [name for name in Settings.model_fields if getattr(told, name) == getattr(plain, name)] == ["prefix_cache"]


def test_providers_keep_their_order_and_unknown_ones_are_refused() -> None:
    assert read([], {"SLM_ONNX_MODEL": "m", "SLM_ONNX_PROVIDERS": "cuda, cpu"}).providers == ("cuda", "cpu")
    with pytest.raises(ValidationError, match="providers"):
        read([], {"SLM_ONNX_MODEL": "m", "SLM_ONNX_PROVIDERS": "metal"})


def test_without_a_model_name_nothing_starts() -> None:
    with pytest.raises(ValidationError, match="model"):
        read([], {})


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({}, None),
    ],
)
def test_threads_follow_the_cpu_limit(tmp_path: Path, files: dict[str, str], expected: int | None) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    cores = len(os.sched_getaffinity(0))
    assert cpu_limit(tmp_path) == min(expected or cores, cores)


def test_a_provider_asked_for_alone_and_missing_is_an_error_that_names_it() -> None:
    assert missing("cuda") is not None
    with pytest.raises(ProviderError, match=r"cuda: onnxruntime-genai is installed without CUDA"):
        make(settings(providers=("cuda",)), folder.read(TINY))


def test_a_missing_provider_is_passed_over_when_another_is_named() -> None:
    assert make(settings(providers=("cuda", "cpu")), folder.read(TINY)).provider == "cpu"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TINY, tmp_path / "folder"))


def change(path: Path, **values: object) -> None:
    config = json.loads((path / "genai_config.json").read_text())
    for place, value in values.items():
        keys = place.split("__")
        found = config
        for key in keys[:-1]:
            found = found[key]
        found[keys[-1]] = value
    (path / "genai_config.json").write_text(json.dumps(config))


def test_a_folder_without_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(folder.FolderError, match=r"no genai_config\.json"):
        folder.read(tmp_path)


def test_a_folder_without_its_graph_is_refused(copy: Path) -> None:
    (copy / "model.onnx").unlink()
    with pytest.raises(folder.FolderError, match="incomplete"):
        folder.read(copy)


def test_a_configuration_without_the_models_shape_is_refused(copy: Path) -> None:
    change(copy, model__decoder={"filename": "model.onnx"})
    with pytest.raises(folder.FolderError, match="num_hidden_layers"):
        folder.read(copy)


def test_the_folders_own_sampling_is_the_default_only_when_it_samples(copy: Path) -> None:
    assert folder.read(copy).search.temperature == 0
    change(copy, search__do_sample=True, search__temperature=0.7, search__top_k=20, search__top_p=0.8)
    assert folder.read(copy).search == folder.Search(0.7, 0.8, 20)


def test_several_end_tokens_and_a_begin_token(copy: Path) -> None:
    change(copy, model__eos_token_id=[1, 2], model__type="gemma3_text", model__bos_token_id=0)
    found = folder.read(copy)
    assert (found.end_tokens, found.begin_token) == ({1, 2}, 0)


def test_a_graph_that_slots_cannot_run_is_served_by_the_library(copy: Path) -> None:
    change(copy, model__type="phi3", model__context_length=8192)
    told = settings(folder=copy, context_length=8000)
    assert make(told, folder.read(copy)).batching == "library"
    with pytest.raises(folder.FolderError, match="position factors"):
        make(told.model_copy(update={"batching": "slots"}), folder.read(copy))
