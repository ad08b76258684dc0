"""Choosing a token from logits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .generation import Sampling

HEAD = 512
"""Tokens sorted first: nearly always the nucleus lies within them, and sorting all of a vocabulary takes 10 ms."""


class Sampler:
    """Chooses tokens for one sequence; the same seed and logits give the same tokens."""

    def __init__(self, sampling: Sampling) -> None:
        self.sampling = sampling
        self._random = np.random.default_rng(sampling.seed)

    def choose(self, logits: NDArray[np.float32], allowed: NDArray[np.bool_] | None = None) -> int:
        """One token id. `allowed` marks the tokens that may be chosen."""
        if allowed is not None:
            logits = np.where(allowed, logits, np.float32(-np.inf))
        sampling = self.sampling
        if sampling.temperature <= 0 or sampling.top_k == 1 or sampling.top_p <= 0:
            return int(logits.argmax())
        # A tiny temperature must not overflow: dividing the distance from the top keeps every exponent below zero.
        with np.errstate(under="ignore", over="ignore"):
            weights = np.exp((logits.astype(np.float64) - float(logits.max())) / max(sampling.temperature, 1e-6))
        if sampling.top_k == 0 and sampling.top_p >= 1:
            return self._draw(weights)
        order, nucleus = self._nucleus(weights)
        return int(order[self._draw(nucleus)])

    def _nucleus(self, weights: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Token ids, likeliest first, and their weights, cut at top_k and then at top_p."""
        size = weights.size
        limit = min(self.sampling.top_k or size, size)
        for head in (min(HEAD, limit), limit):
            order = np.argpartition(weights, size - head)[size - head :]
            order = order[np.argsort(-weights[order], kind="stable")]
            kept = weights[order]
            # top_p counts among what top_k left.
            total = kept.sum() if head == limit else weights.sum()
            running = np.cumsum(kept)
            cut = int(np.searchsorted(running, self.sampling.top_p * total)) + 1
            if cut <= head or head == limit:
                break
        return order[:cut], kept[:cut]

    def _draw(self, weights: NDArray[np.float64]) -> int:
        running = np.cumsum(weights)
        return int(min(np.searchsorted(running, self._random.random() * running[-1], side="right"), weights.size - 1))
