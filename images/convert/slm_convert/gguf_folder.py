"""One step: a GGUF file becomes a Hugging Face folder (python3 -m slm_convert.gguf_folder FILE FOLDER DTYPE)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
SAME = 0.1
"""Relative difference of two matrices below which they are one, quantised twice: 5 bits differ from 8 by 0.04."""


def tie(model: Any) -> bool:
    """Make input and output embeddings one matrix where they are one, quantised twice; whether that is so.

    Quantising programs write a model's shared matrix twice, the output in finer steps, and a GGUF file does not say
    that it was shared. The finer one stays: the folder is smaller and the input embeddings are better.
    """
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    if model.config.tie_word_embeddings or head is None or embedding.weight.shape != head.weight.shape:
        return bool(model.config.tie_word_embeddings)
    rows = slice(None, None, max(1, embedding.weight.shape[0] // 4096))
    one, other = embedding.weight[rows].float(), head.weight[rows].float()
    if torch.linalg.norm(one - other) > SAME * torch.linalg.norm(other):
        return False
    embedding.weight = head.weight
    model.config.tie_word_embeddings = True
    model.tie_weights()
    return True


@torch.inference_mode()
def convert(file: Path, folder: Path, dtype: str) -> None:
    """Write the folder."""
    tokenizer = AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name)
    model: Any = AutoModelForCausalLM.from_pretrained(
        str(file.parent),
        gguf_file=file.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=DTYPES[dtype],
    )
    # The library keeps the quantisation on the model although the weights are plain now, and would write it down.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.to(DTYPES[dtype])
    model.config.dtype = DTYPES[dtype]
    tie(model)
    model.config._name_or_path = ""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
