"""Quantisation as vLLM takes it: read from the checkpoint, never contradicted."""

from __future__ import annotations

from components.models import Weights

ALIASES = {
    "auto_awq": "awq",
    "awq_marlin": "awq",
    "auto_gptq": "gptq",
    "gptq_marlin": "gptq",
    "compressed_tensors": "compressed-tensors",
}
"""Names that mean a kernel for the same checkpoints."""

ONLINE = ("fp8_per_tensor", "fp8_per_block", "fp8_per_channel", "int8_per_channel_weight_only", "mxfp8")
"""What vLLM does to 16-bit weights itself, while it loads them."""

MISSING = {
    "bitsandbytes": "vLLM no longer reads it",
    "gguf": "vLLM reads it with a plugin only, which the image has not",
    "torchao": "it needs the package torchao, which the image has not",
}
"""Checkpoints that the published images cannot serve, and why."""


def quantization_flag(asked: str | None, weights: Weights, name: str, gpus: int) -> str | None:
    """The value of --quantization, or None when the checkpoint says it all.

    `name` is the name of the weights. vLLM stops at its start when the flag differs from the checkpoint, so a wrong
    wish is refused here: raises ValueError.
    """
    declared = ALIASES.get(weights.quantization or "", weights.quantization)
    if declared in MISSING:
        raise ValueError(
            f"weights '{name}' are quantised with {declared}: {MISSING[declared]} — choose other weights of this model"
        )
    wanted = ALIASES.get(asked or "", asked)
    if wanted is None or wanted == declared:
        return None
    if declared:
        raise ValueError(
            f"quantization: {asked} is asked for and weights '{name}' are quantised with {declared}: vLLM would stop at"
            " its start — leave quantization out (it is read from the weights), or choose other weights"
        )
    if wanted not in ONLINE:
        raise ValueError(
            f"quantization: {asked} is asked for and weights '{name}' are not quantised ({weights.precision}): vLLM"
            f" would stop at its start — choose weights that are, or let vLLM do it: {', '.join(ONLINE)}"
        )
    if gpus == 0:
        raise ValueError(
            f"quantization: {asked} needs a GPU: no CPU kernel quantises while loading — set gpus, or leave it out"
        )
    return wanted
