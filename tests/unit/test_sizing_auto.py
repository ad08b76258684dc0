"""`vm_size: auto`: the cheapest size that fits, with its reason; an unknown price never wins in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.catalog.hardware import hardware
from components.catalog.prices import prices
from components.settings import Settings
from components.sizing import misfits, size
from components.sizing.auto import choices, resolved
from components.targets.spec import Aks
from tests.unit.aks_samples import GENERAL, GPU, SYSTEM
from tests.unit.settings_base import load_text

pytestmark = pytest.mark.unit
AUTO_GPU = {"vm_size": "auto", "gpus": 1}


def described(directory: Path, pools: dict[str, Any], **engine: Any) -> Settings:
    chat = {"kind": "ollama", "target": "cloud", "model": "phi4-mini", "gpus": 1, **engine}
    config = {
        "slm:targets": {"cloud": {"kind": "aks", "location": "westeurope", "pools": pools}},
        "slm:engines": {"chat": chat},
        "slm:gateway": {"target": "cloud", "hosts": ["slm.example.com"], "tls": {"certificate": "c", "key": "k"}},
    }
    return load_text(yaml.safe_dump({"config": config}), directory)


def chosen(settings: Settings) -> dict[str, str]:
    return {choice.pool: choice.vm_size for choice in choices(settings, "cloud")}


def test_the_cheapest_size_that_fits_is_chosen_and_says_why(tmp_path: Path) -> None:
    settings = described(tmp_path, {"system": SYSTEM, "general": GENERAL, "gpu": AUTO_GPU})
    (choice,) = choices(settings, "cloud")
    assert (choice.pool, choice.vm_size) == ("gpu", "Standard_NC4as_T4_v3")
    assert choice.reason == (
        "pool 'gpu': Standard_NC4as_T4_v3 (0.66 USD an hour in westeurope) is the cheapest that fits chat, before"
        " Standard_NC8as_T4_v3 (0.94 USD an hour in westeurope)"
    )


def test_what_needs_more_gets_a_larger_gpu(tmp_path: Path) -> None:
    settings = described(tmp_path, {"system": SYSTEM, "general": GENERAL, "gpu": AUTO_GPU}, context_length=65_536)
    size_of = hardware().vm_sizes[chosen(settings)["gpu"]]
    assert size_of.gpu not in ("T4", None)
    assert misfits(settings) == []


OPEN_SYSTEM = {"system": {**SYSTEM, "vm_size": "auto"}, "general": GENERAL, "gpu": GPU}


def test_a_price_nobody_knows_never_wins_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = described(tmp_path, OPEN_SYSTEM)
    known = {name: row for name, row in prices().vm.items() if name != "Standard_D4as_v5"}
    monkeypatch.setattr("components.pricing.prices", lambda: prices().model_copy(update={"vm": known}))
    (choice,) = choices(settings, "cloud")
    assert choice.vm_size == "Standard_D4ads_v5", "the size beside it is as large, cheaper, and nobody knows it"
    assert choice.reason.endswith("; nobody knows what Standard_D4as_v5 would cost")


def test_without_any_price_it_says_that_it_does_not_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = described(tmp_path, OPEN_SYSTEM)
    monkeypatch.setattr("components.pricing.prices", lambda: prices().model_copy(update={"vm": {}}))
    (choice,) = choices(settings, "cloud")
    assert "no price of any size that fits is known" in choice.reason


def test_the_stacks_own_price_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = described(tmp_path, OPEN_SYSTEM)
    assert chosen(settings) == {"system": "Standard_D4as_v5"}
    monkeypatch.setattr("components.sizing.auto.own_prices", lambda _: {"Standard_D4ads_v5": 0.1})
    assert chosen(settings) == {"system": "Standard_D4ads_v5"}


def test_the_gateways_pool_fits_the_gateway(tmp_path: Path) -> None:
    settings = described(tmp_path, {"system": SYSTEM, "general": {"vm_size": "auto"}, "gpu": GPU})
    assert chosen(settings) == {"general": "Standard_D4as_v5"}
    greedy = settings.model_copy(update={"gateway": settings.gateway.model_copy(update={"memory_mib": 40_000})})
    assert chosen(greedy) == {"general": "Standard_D16as_v5"}


def test_when_nothing_fits_the_largest_is_judged_and_the_numbers_are_said(tmp_path: Path) -> None:
    settings = described(
        tmp_path, {"system": SYSTEM, "general": GENERAL, "gpu": AUTO_GPU}, context_length=131_072, parallel=64
    )
    (choice,) = choices(settings, "cloud")
    assert "no size fits chat; judged on the largest" in choice.reason
    (problem,) = misfits(settings)
    assert choice.vm_size in problem
    assert "GiB of GPU memory" in problem


def test_a_target_without_open_sizes_stays_as_it_is(tmp_path: Path) -> None:
    settings = described(tmp_path, {"system": SYSTEM, "general": GENERAL, "gpu": GPU})
    assert resolved(settings, "cloud") is settings.targets["cloud"]
    assert choices(settings, "cloud") == ()


def test_sizing_judges_on_the_chosen_size(tmp_path: Path) -> None:
    settings = described(tmp_path, {"system": SYSTEM, "general": GENERAL, "gpu": AUTO_GPU})
    (sized,) = size(settings)
    assert sized.verdict.machine == "Standard_NC4as_T4_v3"
    target = resolved(settings, "cloud")
    assert isinstance(target, Aks)
    assert target.pools["gpu"].vm_size == "Standard_NC4as_T4_v3"
    assert settings.targets["cloud"].pools["gpu"].vm_size == "auto"  # type: ignore[union-attr]
