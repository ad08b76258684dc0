"""Which tests may run beside which, when `make test` uses three processes: much of their time is waiting.

Tests of one group run one after another in one process, and share what they have brought up. All that computes with
real weights is one group: two engines at once on two cores would be measured against each other, and would take more
memory than there is.
"""

from __future__ import annotations

from pathlib import PurePath

from xdist.scheduler import LoadScopeScheduling

MODELS = "models"
WITH_WEIGHTS = frozenset({"engines", "live", "shared_weights"})
"""Fixtures that serve real weights. Only files named below may use them."""

COMPUTE = frozenset(
    {
        "test_conformance",
        "test_convert_container",
        "test_engine_llamacpp_container",
        "test_engine_ollama_container",
        "test_engine_onnx_container",
        "test_engine_vllm_command_line",
        "test_engine_vllm_container",
        "test_engines_together",
        "test_monitoring_queries",
        # It lets a program be killed for want of memory: the others' monitoring would take that for one of theirs.
        "test_smoke_sandbox",
        "test_stack",
    }
)
"""Files that compute with real weights, or start what the others start."""

SHARED = frozenset({"edge", "kubernetes", "rehearsal"})
"""Layers that bring up one thing for all their files."""

LONGEST = (MODELS, "edge", "kubernetes", "rehearsal")
"""The groups that take the longest, which begin first: the small ones fill what time is left beside them."""


def group(test: str) -> str:
    """The group of a test by its node id, `tests/layer/file.py::name`."""
    path = PurePath(test.partition("::")[0])
    if path.stem in COMPUTE:
        return MODELS
    return path.parent.name if path.parent.name in SHARED else path.stem


def turn(test: str) -> int:
    """When its group begins, compared with others."""
    found = group(test)
    return LONGEST.index(found) if found in LONGEST else len(LONGEST)


class Lanes(LoadScopeScheduling):
    """Hands a whole group to the next process that is free. (xdist's own marks for groups are lost on pytest 9.2.)"""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)
