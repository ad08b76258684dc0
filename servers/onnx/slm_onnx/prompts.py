"""From a request to the tokens the model reads: the folder's chat template and tokenizer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime_genai as og  # type: ignore[import-untyped]

from .errors import invalid
from .folder import Folder
from .generation import Tokens
from .text import Detokenizer


class Prompts:
    """The tokenizer of one folder. `template`: a chat template to use instead of the folder's own."""

    def __init__(self, folder: Folder, template: str | None = None) -> None:
        self._folder, self._template = folder, template
        self._tokenizer = og.Tokenizer(str(folder.path))
        self.has_template = self._has_template()

    def _has_template(self) -> bool:
        try:
            return bool(self._render([{"role": "user", "content": "x"}], None))
        except RuntimeError:
            return False

    def _render(self, messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]] | None) -> str:
        options = {"tools": json.dumps(tools)} if tools else {}
        if self._template is not None:
            options["template_str"] = self._template
        return str(self._tokenizer.apply_chat_template(json.dumps(messages), add_generation_prompt=True, **options))

    def chat(self, messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]] | None) -> Tokens:
        """The tokens of a conversation. Raises ApiError where the model's template cannot express it."""
        if not self.has_template:
            raise invalid("this model has no chat template, so it completes text only: use /v1/completions", "model")
        try:
            text = self._render(messages, tools)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0][:200]
            raise invalid(f"the model's chat template cannot express these messages: {reason}", "messages") from None
        return self.encode(text)

    def encode(self, text: str) -> Tokens:
        """The tokens of a text, at least one. Raises ApiError."""
        try:
            tokens = [int(token) for token in self._tokenizer.encode(text)] if text else []
        except RuntimeError:
            raise invalid("the text cannot be split into tokens", "prompt") from None
        begin = self._folder.begin_token
        if begin is not None and tokens[:1] != [begin]:
            tokens = [begin, *tokens]
        if not tokens:
            tokens = [begin if begin is not None else min(self._folder.end_tokens)]
        return np.array(tokens, dtype=np.int64)

    def given(self, tokens: Sequence[int]) -> Tokens:
        """Tokens that a client gave itself. Raises ApiError."""
        if not tokens or not all(0 <= token < self._folder.vocab_size for token in tokens):
            raise invalid(f"prompt: token ids lie between 0 and {self._folder.vocab_size - 1}", "prompt")
        return np.array(tokens, dtype=np.int64)

    def stream(self) -> Detokenizer:
        """What turns one answer's tokens into text."""
        return _Stream(self._tokenizer)


class _Stream:
    """The library's stream, with the tokenizer kept alive beside it."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer, self._stream = tokenizer, tokenizer.create_stream()

    def decode(self, token: int) -> str:
        return str(self._stream.decode(token))
