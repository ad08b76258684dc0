"""What the model folder says of itself: genai_config.json and the tokenizer's settings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class FolderError(Exception):
    """The folder cannot be served; the message says what is wrong with it and what to do."""


@dataclass(frozen=True, slots=True)
class Search:
    """Sampling the folder asks for when a request does not. `top_k` 0 means no limit."""

    temperature: float
    top_p: float
    top_k: int


@dataclass(frozen=True, slots=True)
class Folder:
    """A model folder. `paged`: its graph is made for the library's continuous batching (paged attention)."""

    path: Path
    type: str
    graph: Path
    context_length: int
    vocab_size: int
    layers: int
    kv_heads: int
    head_size: int
    end_tokens: frozenset[int]
    begin_token: int | None
    inputs: dict[str, str]
    outputs: dict[str, str]
    search: Search
    paged: bool
    shared_buffer: bool


def read(path: Path) -> Folder:
    """Read the folder's configuration. Raises FolderError."""
    config = _json(path / "genai_config.json")
    if config is None:
        raise FolderError(
            f"{path} holds no genai_config.json, so it is no folder of ONNX Runtime genai: nothing can be served."
            " Convert the model (the conversion job does), or point the folder setting at the right sub-folder"
        )
    try:
        return _folder(path, config)
    except (KeyError, TypeError, ValueError) as error:
        raise FolderError(
            f"{path}/genai_config.json has no usable {error}: this server cannot know the model's shape."
            " Convert the model again with onnxruntime-genai's builder"
        ) from None


def _folder(path: Path, config: dict[str, Any]) -> Folder:
    model = config["model"]
    decoder, search = model["decoder"], config.get("search", {})
    graph = path / decoder["filename"]
    if not graph.is_file():
        raise FolderError(f"{graph} is missing: the model folder is incomplete. Fetch or convert it again")
    end = model["eos_token_id"]
    sampled = bool(search.get("do_sample", False))
    return Folder(
        path=path,
        type=str(model["type"]),
        graph=graph,
        context_length=int(model["context_length"]),
        vocab_size=int(model["vocab_size"]),
        layers=int(decoder["num_hidden_layers"]),
        kv_heads=int(decoder["num_key_value_heads"]),
        head_size=int(decoder["head_size"]),
        end_tokens=frozenset(int(token) for token in (end if isinstance(end, list) else [end])),
        begin_token=_begin_token(path, model),
        inputs={str(key): str(value) for key, value in decoder.get("inputs", {}).items()},
        outputs={str(key): str(value) for key, value in decoder.get("outputs", {}).items()},
        search=Search(
            temperature=float(search.get("temperature", 1.0)) if sampled else 0.0,
            top_p=float(search.get("top_p", 1.0)),
            top_k=int(search.get("top_k", 0)),
        ),
        paged="dynamic_batching" in (config.get("engine") or {}),
        shared_buffer=bool(search.get("past_present_share_buffer", False)),
    )


def _begin_token(path: Path, model: dict[str, Any]) -> int | None:
    """The token every prompt has to begin with. The library's tokenizer adds none, and Gemma fails without it."""
    wanted = (_json(path / "tokenizer_config.json") or {}).get("add_bos_token", str(model["type"]).startswith("gemma"))
    token = model.get("bos_token_id")
    return int(token) if wanted and token is not None and int(token) >= 0 else None


def _json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
