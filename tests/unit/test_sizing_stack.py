"""Sizing of a whole description: what check, preview and up are told, and the table people plan by."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from components.settings import Settings, SettingsError
from components.sizing import cautions, misfits, size
from components.sizing.needs import HOST, gib, needs
from ops import check
from tests.unit.settings_base import changed, load_changed

pytestmark = pytest.mark.unit

T4 = {"kind": "docker", "gpus": 1, "gpu": "T4", "memory_gib": 28, "disk_gib": 100}


def engine(**settings: Any) -> dict[str, Any]:
    return {"kind": "ollama", "target": "laptop", "model": "phi4-mini", "gpus": 1, **settings}


def described(directory: Path, target: dict[str, Any], **engines: dict[str, Any]) -> Settings:
    return load_changed({"targets": {"laptop": target}, "engines": {"chat": {"gpus": 0}, **engines}}, directory)


def printed(directory: Path, change: dict[str, Any]) -> tuple[int, str]:
    (directory / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": changed(change)}))
    console = Console(file=io.StringIO(), width=200)
    code = check.run("dev", directory, console)
    assert isinstance(console.file, io.StringIO)
    return code, console.file.getvalue()


def test_a_misfit_is_refused_with_the_numbers_and_the_change(tmp_path: Path) -> None:
    settings = described(tmp_path, T4, big=engine(context_length=32_768))
    (sentence,) = misfits(settings)
    assert sentence.startswith("engine 'big' (ollama, phi4-mini) on T4: needs ")
    assert "GiB of GPU memory, and there are 14.6" in sentence
    assert " — fits 2" in sentence
    assert "k context on a T4, not 32k (context_length: " in sentence
    assert sentence in settings.refusals("dev")
    with pytest.raises(SettingsError, match="GiB of GPU memory"):
        settings.require_deployable("dev")


def test_what_fits_is_not_mentioned(tmp_path: Path) -> None:
    settings = described(tmp_path, T4, good=engine())
    assert misfits(settings) == []
    assert cautions(settings) == []
    assert [sized.verdict.answer for sized in size(settings)] == ["fit", "fit"]


def test_a_tight_fit_is_a_caution_and_no_refusal(tmp_path: Path) -> None:
    settings = described(tmp_path, T4, close=engine(context_length=22_000))
    assert misfits(settings) == []
    (sentence,) = cautions(settings)
    assert "which is tight" in sentence
    assert settings.refusals("dev") == []


def test_engines_of_one_host_share_its_memory(tmp_path: Path) -> None:
    small = {**T4, "memory_gib": 6}
    alone = {"kind": "ollama", "target": "laptop", "model": "phi-3.5-mini-instruct", "parallel": 1}
    assert misfits(load_changed({"targets": {"laptop": small}, "engines": {"chat": alone}}, tmp_path)) == []
    both = described(tmp_path, small, second=alone | {"model": "phi4-mini"}, third=alone | {"model": "qwen3-4b"})
    assert all("main memory" in sentence for sentence in misfits(both))
    assert misfits(both)


def test_engines_of_one_docker_host_share_its_first_gpu(tmp_path: Path) -> None:
    half = engine(context_length=16_384)
    assert misfits(described(tmp_path, T4, one=half)) == []
    both = described(tmp_path, {**T4, "gpus": 2}, one=half, two=engine(context_length=16_384, model="qwen3-4b"))
    assert len(misfits(both)) == 2
    assert all("GPU memory" in sentence for sentence in misfits(both))


def test_a_gpu_nobody_named_is_a_caution_that_says_how_to_name_it(tmp_path: Path) -> None:
    settings = described(tmp_path, {"kind": "docker", "gpus": 1}, gpu=engine())
    assert misfits(settings) == []
    (sentence,) = cautions(settings)
    assert "which GPU this machine's Docker engine has is not said — set gpu of the target to one of T4" in sentence


def test_check_prints_the_resource_table_with_a_total(tmp_path: Path) -> None:
    code, text = printed(tmp_path, {"targets": {"laptop": T4}, "engines": {"chat": engine()}})
    assert code == 0
    for word in (
        "resources",
        "least RAM",
        "recommended RAM",
        "GPU memory",
        "disk",
        "fits",
        "requests of 4096",
        "all, with",
    ):
        assert word in text
    settings = load_changed({"targets": {"laptop": T4}, "engines": {"chat": engine()}}, tmp_path)
    need = needs(settings.hosted["chat"], settings.model_of("chat"))
    assert gib(need.vram_mib) in text
    assert gib((need + HOST).least_ram_mib) in text


def test_check_fails_for_a_misfit_and_warns_of_a_tight_fit(tmp_path: Path) -> None:
    code, text = printed(tmp_path, {"targets": {"laptop": T4}, "engines": {"chat": engine(context_length=32_768)}})
    assert code == 1
    assert "not deployable: engine 'chat'" in text
    assert "does not fit" in text
    code, text = printed(tmp_path, {"targets": {"laptop": T4}, "engines": {"chat": engine(context_length=22_000)}})
    assert code == 0
    assert "sizing: engine 'chat'" in text


@pytest.mark.parametrize(("mib", "text"), [(1024, "1.0 GiB"), (1025, "1.1 GiB"), (1, "0.1 GiB"), (0, "0.0 GiB")])
def test_sizes_are_rounded_up(mib: int, text: str) -> None:
    assert gib(mib) == text
