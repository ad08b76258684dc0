"""Which tests may run beside which, when `make test` uses two processes: much of their time is waiting.

Tests of one group run one after another in one process, and share what they have brought up. All that computes with
real weights is one group: two engines at once on two cores would be measured against each other, and would take more
memory than there is.
"""

from __future__ import annotations

from pathlib import PurePath

MODELS = "models"
WITH_WEIGHTS = frozenset({"engines", "live", "shared_weights"})
"""Fixtures that serve real weights."""

COMPUTE = frozenset({"test_convert_container", "test_engine_ollama_container", "test_engine_vllm_command_line"})
"""Files that do so with fixtures of their own, or start what the others start."""

SHARED = frozenset({"edge", "kubernetes", "rehearsal"})
"""Layers that bring up one thing for all their files."""


def group(path: PurePath, fixtures: frozenset[str]) -> str:
    """The group of a test in the file `path` that uses these fixtures."""
    if fixtures & WITH_WEIGHTS or path.stem in COMPUTE:
        return MODELS
    return path.parent.name if path.parent.name in SHARED else path.stem


def first(name: str) -> bool:
    """Whether a group is to begin at once: it takes the longest."""
    return name == MODELS
