"""The golden table: our verdicts beside KAITO's and GPUStack's formulas, and the document that shows it."""

from __future__ import annotations

import pytest

from bench.golden_sizing import CASES, DOCUMENT, Case, gpustack, kaito, table, written
from components.catalog import catalog
from components.catalog.hardware import hardware

pytestmark = pytest.mark.unit

PHI = catalog().models["phi4-mini"]


def test_the_document_shows_todays_table() -> None:
    text = DOCUMENT.read_text()
    assert written(text) == text, "run python -m bench.golden_sizing and review what changed"
    with pytest.raises(ValueError, match="no place for the table"):
        written("nothing")


def test_the_table_is_wide_enough_to_mean_something() -> None:
    assert len(CASES) >= 30
    assert len(set(CASES)) == len(CASES)
    verdicts = [case.verdict().answer for case in CASES]
    assert {"fit", "tight", "misfit"} == set(verdicts)
    assert min(verdicts.count(word) for word in ("fit", "tight", "misfit")) >= 5
    assert len({case.model for case in CASES}) >= 15
    assert {catalog().models[case.model].size_class for case in CASES} == {"micro", "small", "medium"}
    assert table().count("\n") == len(CASES) + 1


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.kind}-{c.model}-{c.context}x{c.requests}-{c.where}")
def test_it_never_calls_a_fit_what_plain_arithmetic_says_cannot_be(case: Case) -> None:
    """Weights and one full cache alone, without any overhead, must be less than the nominal memory."""
    model, engine, verdict = catalog().models[case.model], case.engine(), case.verdict()
    bare = engine.weights_of(model)[1].size_bytes + model.kv_bytes(case.context)
    nominal = hardware().gpus[case.where].memory_gib if engine.gpus else float(case.where.split()[1])
    if bare > nominal * 2**30:
        assert verdict.answer == "misfit"
    if verdict.answer == "misfit" and verdict.most_context:
        assert verdict.most_context < case.context or verdict.most_requests == 0


@pytest.mark.parametrize(("gpu_gib", "tokens"), [(15.0, 21_700), (22.49, 73_000)])
def test_kaitos_formula_is_written_as_it_is_published(gpu_gib: float, tokens: int) -> None:
    """Phi-4-mini at 16 bits: computed by hand once, with what nvidia-smi shows of a T4 and of an A10."""
    size = PHI.weights["safetensors-bf16"].size_bytes
    assert kaito(size, PHI, int(tokens * 0.98), gpu_gib)
    assert not kaito(size, PHI, int(tokens * 1.02), gpu_gib)


@pytest.mark.parametrize(("weights_gib", "needed_gib"), [(0.92, 3.1), (5.75, 8.9), (14.19, 19.0)])
def test_gpustacks_rule_gives_the_examples_its_source_names(weights_gib: float, needed_gib: float) -> None:
    assert gpustack(int(weights_gib * 2**30), needed_gib + 0.1)
    assert not gpustack(int(weights_gib * 2**30), needed_gib - 0.1)
