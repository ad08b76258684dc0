"""A model of three megabytes that answers every question with 80: a stand-in where a test is about the deployment.

A real GGUF file that the real engine loads. Its vocabulary is the 256 bytes; attention and feed-forward weights are
zero, each token's embedding is its own axis, and the output layer maps each axis to the token that follows.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

NAME = "always-80"
CONTEXT = 4096
WEIGHTS = "gguf-f32"
WIDTH, HEADS, INNER = 320, 10, 32
STRING, ARRAY = 8, 9
UINT32, INT32, FLOAT32, BOOL = 4, 5, 6, 7
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def write(folder: Path, title: str = NAME) -> Path:
    """Write the model's file; the same bytes every time, and others for another title."""
    path = folder / f"{NAME}.gguf"
    path.write_bytes(_gguf(title))
    return path


def described(file: Path, *sources: dict[str, Any]) -> dict[str, Any]:
    """The model as a stack's `slm:models` has it; from `file` on this machine unless other sources are given."""
    return {
        "name": NAME,
        "license": "Apache-2.0",
        "context_length": CONTEXT,
        "parameters": 1_000_000,
        "layers": 1,
        "kv_heads": HEADS,
        "head_size": WIDTH // HEADS,
        "template": "chatml-tools",
        "weights": {WEIGHTS: weights(file, *sources)},
    }


def weights(file: Path, *sources: dict[str, Any]) -> dict[str, Any]:
    """The model's only form of weights."""
    size = file.stat().st_size
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    return {
        "format": "gguf",
        "precision": "f32",
        "size_bytes": size,
        "files": [{"path": file.name, "size_bytes": size, "sha256": sha256}],
        "sources": list(sources) or [{"kind": "path", "path": str(file)}],
    }


def with_sha256(sha256: str) -> dict[str, Any]:
    """What to lay over a description so that another file is expected."""
    return {"weights": {WEIGHTS: {"files": [{"path": f"{NAME}.gguf", "sha256": sha256}]}}}


def _gguf(title: str) -> bytes:
    tokens = _vocabulary()
    tensors = _tensors(tokens)
    facts = _facts(tokens, title)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(facts)) + b"".join(facts)
    offset = 0
    for name, shape, data in tensors:
        head += _text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        head += struct.pack("<IQ", 0, offset)
        offset += len(data) + -len(data) % 32
    head += b"\0" * (-len(head) % 32)
    return head + b"".join(data + b"\0" * (-len(data) % 32) for _, _, data in tensors)


def _vocabulary() -> list[str]:
    """The bytes as byte-level BPE spells them (printable ones as they are, the others shifted), then the specials."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    spelling = {b: chr(b) for b in plain} | {b: chr(256 + n) for n, b in enumerate(others)}
    spare = (f"<|spare{n}|>" for n in range(WIDTH - 256 - len(SPECIAL)))
    return [*(spelling[b] for b in range(256)), *SPECIAL, *spare]


def _tensors(tokens: list[str]) -> list[tuple[str, tuple[int, ...], bytes]]:
    eight, zero, end = ord("8"), ord("0"), tokens.index("<|im_end|>")
    follower = {eight: zero, zero: end}
    output = [[0.0] * WIDTH for _ in tokens]
    for token in range(len(tokens)):
        output[follower.get(token, eight)][token] = 1.0
    embedding = ([1.0 if axis == token else 0.0 for axis in range(WIDTH)] for token in range(len(tokens)))
    ones, square = _floats([1.0] * WIDTH), b"\0" * (4 * WIDTH * WIDTH)
    inner = b"\0" * (4 * WIDTH * INNER)
    return [
        ("token_embd.weight", (WIDTH, len(tokens)), b"".join(map(_floats, embedding))),
        ("blk.0.attn_norm.weight", (WIDTH,), ones),
        *((f"blk.0.attn_{part}.weight", (WIDTH, WIDTH), square) for part in ("q", "k", "v", "output")),
        ("blk.0.ffn_norm.weight", (WIDTH,), ones),
        ("blk.0.ffn_gate.weight", (WIDTH, INNER), inner),
        ("blk.0.ffn_up.weight", (WIDTH, INNER), inner),
        ("blk.0.ffn_down.weight", (INNER, WIDTH), inner),
        ("output_norm.weight", (WIDTH,), ones),
        ("output.weight", (WIDTH, len(tokens)), b"".join(map(_floats, output))),
    ]


def _facts(tokens: list[str], title: str) -> list[bytes]:
    end = tokens.index("<|im_end|>")
    kinds = [1] * 256 + [3] * (len(tokens) - 256)
    numbers = {
        "general.file_type": 0,
        "llama.vocab_size": len(tokens),
        "llama.context_length": CONTEXT,
        "llama.embedding_length": WIDTH,
        "llama.block_count": 1,
        "llama.feed_forward_length": INNER,
        "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": HEADS,
        "llama.rope.dimension_count": WIDTH // HEADS,
        "tokenizer.ggml.bos_token_id": tokens.index("<|endoftext|>"),
        "tokenizer.ggml.eos_token_id": end,
    }
    texts = {
        "general.architecture": "llama",
        "general.name": title,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2",
    }
    return [
        *(_text(key) + struct.pack("<I", STRING) + _text(value) for key, value in texts.items()),
        *(_text(key) + struct.pack("<II", UINT32, value) for key, value in numbers.items()),
        _text("llama.attention.layer_norm_rms_epsilon") + struct.pack("<If", FLOAT32, 1e-5),
        _text("tokenizer.ggml.add_bos_token") + struct.pack("<I?", BOOL, False),
        _list("tokenizer.ggml.tokens", STRING, map(_text, tokens)),
        _list("tokenizer.ggml.token_type", INT32, (struct.pack("<i", kind) for kind in kinds)),
        _list("tokenizer.ggml.merges", STRING, [_text("a b")]),
    ]


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def _list(key: str, kind: int, items: Iterable[bytes]) -> bytes:
    items = list(items)
    return _text(key) + struct.pack("<IIQ", ARRAY, kind, len(items)) + b"".join(items)


def _floats(values: list[float]) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)
