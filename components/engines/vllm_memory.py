"""Memory of the vLLM engine: weights as they are held, the pool of keys and values, the server itself (pure)."""

from __future__ import annotations

import math
from typing import Literal

from components.footprint import Footprint, mib
from components.models import Model, Weights

BLOCK = 128
"""Tokens that a block of the pool holds at most: 128 on CPUs, fewer on GPUs. A sequence takes whole blocks."""

SERVER_MIB = 2688
"""On a CPU: server, engine, an empty worker and the files they read (measured: 0.32.0; 840 + 520 + 800 + 500 MiB)."""

MEASURED_VOCABULARY = 151_936
TOKEN_BYTES = 17_540
"""The vocabulary of that measurement, and what each token more takes in all processes together (0.32.0, two models:
2160 MiB beside weights, pool and files became 4093 MiB for 262,144 tokens; what takes it was not looked into).
"""

GPU_MIB = 2560
"""CUDA context, graphs and activations on each GPU: the upper end of what is published, not measured here."""

GPU_HOST_MIB = 4096
GPU_HOST_EACH_MIB = 3072
"""Main memory beside GPUs: server and engine, and a worker with CUDA for each. An estimate, not measured here."""


def wide(dtype: str) -> bool:
    """Whether values are held in 32 bits."""
    return dtype == "float32"


def weights_bytes(weights: Weights, dtype: str) -> int:
    """Bytes of the weights in memory: 16-bit ones double when they are computed with in 32 bits."""
    doubled = wide(dtype) and weights.precision in ("bf16", "fp16", "f16")
    return weights.size_bytes * (2 if doubled else 1)


def pool_bytes(model: Model, sequences: int, context_length: int, dtype: str, kv_cache_type: str) -> int:
    """Bytes of keys and values so that `sequences` of the full context never wait for each other.

    Sliding windows are not counted: vLLM keeps whole blocks beyond them while a prompt is read.
    """
    blocks = sequences * math.ceil(context_length / BLOCK) + 1
    width = 1 if kv_cache_type == "fp8" else 4 if wide(dtype) else 2
    return blocks * BLOCK * model.kv_bytes_per_token // 2 * width


def footprint(weights: Weights, vocabulary: int, dtype: str, pool: int, gpus: int, disk_bytes: int) -> Footprint:
    """What it takes with a pool of `pool` bytes on `gpus` GPUs, or in main memory when there are none."""
    held = weights_bytes(weights, dtype)
    device: Literal["ram", "vram"] = "vram" if gpus else "ram"
    # Once the weights are loaded, vLLM counts their file in the page cache as used, and stops when the pool then does
    # not fit below the container's limit. What a full batch takes later is less than that.
    larger = max(vocabulary - MEASURED_VOCABULARY, 0) * TOKEN_BYTES
    overhead = GPU_MIB * gpus if gpus else SERVER_MIB + mib(larger + weights.size_bytes)
    host = GPU_HOST_MIB + GPU_HOST_EACH_MIB * gpus if gpus else mib(held) + mib(pool) + overhead
    return Footprint(
        weights_mib=mib(held),
        kv_cache_mib=mib(pool),
        overhead_mib=overhead,
        device=device,
        host_mib=host,
        disk_mib=mib(disk_bytes),
    )
