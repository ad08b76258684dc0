"""What the rules rely on of the scrape: the jobs by name, and their targets' labels beside `job` and `instance`.

A metric's own label of such a name becomes `exported_…` when it is scraped (vLLM's own `engine` does).
"""

from __future__ import annotations

ENGINE_LABELS = ("engine", "kind", "model")
"""The engine's name in the stack file, its kind, and the first name its model is served under."""

TARGET_LABELS: dict[str, tuple[str, ...]] = {
    "vllm": ENGINE_LABELS,
    "llamacpp": ENGINE_LABELS,
    "onnx": ENGINE_LABELS,
    "ollama": ENGINE_LABELS,
    "gateway": (),
    "node": (),
    # Relabelled from each container's own label, so that a series is of a workload and not of a container's id.
    "cadvisor": ("workload",),
    "dcgm": (),
    "blackbox": (),
    "prometheus": (),
    "alertmanager": (),
    "loki": (),
    "collector": (),
    "forwarder": (),
}
"""Labels that each job's targets, or its relabelling, must add; by job."""

MEASURED_BY_THEMSELVES = ("vllm", "llamacpp", "onnx")
"""Kinds of engine that tell their own running and waiting requests and their tokens; of others the gateway counts."""
