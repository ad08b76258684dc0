"""Make the folder beside this file again: a random model of 80,000 parameters in the form the ONNX server serves.

It writes nonsense, but with every part a real one has: tokenizer, chat template with tools, int4 weights, shared
key-value cache. It needs torch, transformers, tokenizers, onnx and onnx_ir beside onnxruntime-genai, so it is made
once, by hand:  python tests/unit/onnx_tiny/make_folder.py OUT && cp OUT/* tests/unit/onnx_tiny/
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if tools %}{{ '<tools>' }}{% for t in tools %}{{ t | tojson }}{% endfor %}{{ '</tools>' }}{% endif %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
TEXT = ["the quick brown fox jumps over the lazy dog", "one two three four five six", "a model of language is small"]


def main(out: Path) -> None:
    """Build it into `out`."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(7)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        TEXT,
        trainers.BpeTrainer(
            vocab_size=320,
            special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    fast.chat_template = TEMPLATE
    size = len(fast)
    config = Qwen2Config(
        vocab_size=size,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        eos_token_id=fast.eos_token_id,
        bos_token_id=fast.pad_token_id,
        pad_token_id=fast.pad_token_id,
        tie_word_embeddings=True,
        initializer_range=0.4,
    )
    with tempfile.TemporaryDirectory() as folder:
        Qwen2ForCausalLM(config).save_pretrained(folder)
        fast.save_pretrained(folder)
        builder = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", folder, "-o", str(out)]
        subprocess.run([*builder, "-p", "int4", "-e", "cpu", "-c", folder], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
