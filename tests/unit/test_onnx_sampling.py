"""Choosing tokens: what temperature, top_p, top_k and seed promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.onnx.slm_onnx.generation import Sampling
from servers.onnx.slm_onnx.sampling import Sampler

pytestmark = pytest.mark.unit

LOGITS = np.log(np.array([0.5, 0.3, 0.15, 0.05], dtype=np.float32))


def drawn(sampling: Sampling, count: int = 4000, logits: np.ndarray = LOGITS) -> np.ndarray:
    sampler = Sampler(sampling)
    return np.bincount([sampler.choose(logits) for _ in range(count)], minlength=logits.size) / count


def test_temperature_zero_takes_the_likeliest() -> None:
    assert Sampler(Sampling()).choose(LOGITS) == 0
    assert Sampler(Sampling(temperature=1, top_k=1)).choose(LOGITS) == 0
    assert Sampler(Sampling(temperature=1, top_p=0)).choose(LOGITS) == 0


def test_temperature_one_draws_by_the_models_probabilities() -> None:
    assert drawn(Sampling(temperature=1, seed=1)) == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.03)


def test_a_low_temperature_sharpens_them() -> None:
    expected = np.array([0.5, 0.3, 0.15, 0.05]) ** 2
    assert drawn(Sampling(temperature=0.5, seed=1)) == pytest.approx(expected / expected.sum(), abs=0.03)


def test_top_p_keeps_the_smallest_set_that_reaches_it() -> None:
    assert drawn(Sampling(temperature=1, top_p=0.75, seed=1)) == pytest.approx([0.625, 0.375, 0, 0], abs=0.03)


def test_top_k_keeps_k_and_top_p_counts_among_them() -> None:
    assert drawn(Sampling(temperature=1, top_k=3, seed=1)) == pytest.approx(
        [0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0], abs=0.03
    )
    assert drawn(Sampling(temperature=1, top_k=2, top_p=0.6, seed=1)) == pytest.approx([1, 0, 0, 0])


def test_a_flat_distribution_needs_more_than_the_sorted_head() -> None:
    flat = np.zeros(5000, dtype=np.float32)
    seen = {Sampler(Sampling(temperature=1, top_p=0.9, seed=seed)).choose(flat) for seed in range(400)}
    assert len(seen) > 300


@given(st.integers(0, 2**64 - 1), st.floats(0.01, 2), st.floats(0.1, 1), st.integers(0, 6))
def test_the_same_seed_gives_the_same_tokens(seed: int, temperature: float, top_p: float, top_k: int) -> None:
    sampling = Sampling(temperature, top_p, top_k, seed)
    one, other = Sampler(sampling), Sampler(sampling)
    assert [one.choose(LOGITS) for _ in range(8)] == [other.choose(LOGITS) for _ in range(8)]


def test_only_what_is_allowed_is_chosen() -> None:
    allowed = np.array([False, False, True, True])
    assert Sampler(Sampling()).choose(LOGITS, allowed) == 2
    sampler = Sampler(Sampling(temperature=2, seed=3))
    assert {sampler.choose(LOGITS, allowed) for _ in range(200)} == {2, 3}
    sampler = Sampler(Sampling(temperature=1, top_p=0.9, seed=3))
    assert {sampler.choose(LOGITS, allowed) for _ in range(200)} == {2, 3}


def test_a_tiny_temperature_does_not_overflow() -> None:
    logits = np.array([1e4, -1e4, 9.9e3], dtype=np.float32)
    assert Sampler(Sampling(temperature=1e-9, seed=1)).choose(logits) == 0
