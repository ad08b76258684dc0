"""Text that follows a JSON Schema: which tokens may come next (llguidance, the library onnxruntime-genai uses too)."""

from __future__ import annotations

from pathlib import Path

import llguidance
import numpy as np
from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask
from numpy.typing import NDArray

from .generation import Refused


class Grammars:
    """Makes guides for one tokenizer, which takes half a second to read: that happens at the first use."""

    def __init__(self, folder: Path, vocab_size: int, end_tokens: frozenset[int]) -> None:
        self._folder, self._vocab_size, self._end_tokens = folder, vocab_size, sorted(end_tokens)
        self._tokenizer: llguidance.LLTokenizer | None = None

    def guide(self, schema: str) -> Guide:
        """A guide for one sequence. Raises Refused when the schema cannot be followed."""
        if self._tokenizer is None:
            self._tokenizer = llguidance.LLTokenizer(
                str(self._folder / "tokenizer.json"), n_vocab=self._vocab_size, eos_token=self._end_tokens
            )
        try:
            grammar = llguidance.LLMatcher.grammar_from_json_schema(schema)
        except ValueError as error:
            raise Refused(f"the JSON Schema cannot be followed: {error}") from None
        matcher = llguidance.LLMatcher(self._tokenizer, grammar, log_level=0)
        if matcher.is_error():
            raise Refused(f"the JSON Schema cannot be followed: {matcher.get_error()[:300]}")
        return Guide(matcher, self._vocab_size)


class Guide:
    """Follows one sequence."""

    def __init__(self, matcher: llguidance.LLMatcher, vocab_size: int) -> None:
        self._matcher, self._size = matcher, vocab_size
        self._bits = allocate_token_bitmask(1, vocab_size)

    def allowed(self) -> NDArray[np.bool_]:
        """Tokens that may come next. Raises Refused when the grammar has become too large."""
        fill_next_token_bitmask(self._matcher, self._bits, 0)
        if self._matcher.is_error():
            raise Refused(f"the JSON Schema cannot be followed further: {self._matcher.get_error()[:300]}")
        return np.unpackbits(self._bits[0].view(np.uint8), bitorder="little")[: self._size].astype(np.bool_)

    def accept(self, token: int) -> None:
        """Tell which token was chosen."""
        self._matcher.consume_token(token)
