"""The model's graph with a key-value cache of fixed rows: reads tokens of a few neighbouring rows at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]
from numpy.typing import NDArray

from .folder import Folder

TYPES: dict[str, type[np.generic]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class Unsupported(Exception):
    """This graph needs the library's own engine; the message says why."""


class Decoder:
    """A decoder graph on the CPU, and `rows` rows of `length` tokens each in its key-value cache.

    The graph writes the new keys and values into the same memory it reads the old ones from, so a step copies nothing.
    A run covers rows that lie next to each other, because a batch is one block of memory; `swap` brings them together.
    """

    def __init__(self, folder: Folder, rows: int, length: int, threads: int) -> None:
        self._check(folder)
        self.rows, self.length = rows, length
        self.lengths = np.zeros(rows, dtype=np.int64)
        self._session = ort.InferenceSession(str(folder.graph), _options(threads), providers=["CPUExecutionProvider"])
        inputs = {found.name: found.type for found in self._session.get_inputs()}
        self._tokens, self._mask, self._positions, self._logits = (
            folder.inputs.get("input_ids", "input_ids"),
            folder.inputs.get("attention_mask", "attention_mask"),
            folder.inputs.get("position_ids", "position_ids"),
            folder.outputs.get("logits", "logits"),
        )
        past = _names(folder, folder.inputs, "past_key_values.%d.key", "past_key_values.%d.value", "past")
        present = _names(folder, folder.outputs, "present.%d.key", "present.%d.value", "present")
        if unknown := set(inputs) - {self._tokens, self._mask, self._positions, *past}:
            raise Unsupported(f"its graph has inputs of another kind ({', '.join(sorted(unknown)[:3])})")
        if missing := {self._tokens, self._mask, *past} - set(inputs):
            raise Unsupported(f"its graph lacks the input {min(missing)}")
        self._has_positions = self._positions in inputs
        kinds = {inputs[name] for name in past} | {
            o.type for o in self._session.get_outputs() if o.name == self._logits
        }
        if len(kinds) != 1 or (kind := kinds.pop()) not in TYPES:
            raise Unsupported(f"its key-value cache is of a type this server does not know ({', '.join(kinds)})")
        self._type = TYPES[kind]
        shape = (rows, folder.kv_heads, length, folder.head_size)
        # Zeroed memory is handed out by the system page by page when it is first written, so unused rows cost nothing.
        self._cache = [(name, out, np.zeros(shape, self._type)) for name, out in zip(past, present, strict=True)]
        self._scores: NDArray[Any] = np.zeros((rows, 1, folder.vocab_size), self._type)
        self._bindings: dict[tuple[int, int], Any] = {}

    @staticmethod
    def _check(folder: Folder) -> None:
        if folder.paged:
            raise Unsupported("it is made for paged attention")
        if not folder.shared_buffer:
            raise Unsupported("its key-value cache is not shared between input and output")

    def read(self, tokens: NDArray[np.int64], first: int) -> None:
        """Read `tokens` (one row, any number of them) into the row `first`."""
        self._run(tokens[None, :], first, None)

    def step(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read one token into each of the first rows and give the logits, one line per row, valid until the next."""
        scores = self._scores[: len(tokens)]
        self._run(tokens[:, None], 0, scores)
        return scores[:, 0].astype(np.float32, copy=False)

    def _run(self, tokens: NDArray[np.int64], first: int, scores: NDArray[Any] | None) -> None:
        count, new = tokens.shape
        before = self.lengths[first : first + count]
        after = before + new
        binding = self._binding(first, count, with_scores=scores is not None)
        # The graph takes each row's own length from its line of the mask, and the longest one from the mask's width.
        mask = (np.arange(int(after.max()))[None, :] < after[:, None]).astype(np.int64)
        tokens = np.ascontiguousarray(tokens)
        binding.bind_cpu_input(self._tokens, tokens)
        binding.bind_cpu_input(self._mask, mask)
        if self._has_positions:
            binding.bind_cpu_input(self._positions, before[:, None] + np.arange(new)[None, :])
        if scores is not None:
            binding.bind_output(self._logits, "cpu", 0, self._type, scores.shape, scores.ctypes.data)
        self._session.run_with_iobinding(binding)
        self.lengths[first : first + count] = after

    def _binding(self, first: int, count: int, *, with_scores: bool) -> Any:
        """The cache rows bound to the graph; made once, because a hundred bindings take a millisecond."""
        key = (first if not with_scores else -1, count)
        if key not in self._bindings:
            binding = self._session.io_binding()
            for name, out, memory in self._cache:
                part = memory[first : first + count]
                binding.bind_input(name, "cpu", 0, self._type, part.shape, part.ctypes.data)
                binding.bind_output(out, "cpu", 0, self._type, part.shape, part.ctypes.data)
            self._bindings[key] = binding
        return self._bindings[key]

    def swap(self, one: int, other: int) -> None:
        """Exchange two rows with all they hold."""
        if one == other:
            return
        used = int(max(self.lengths[one], self.lengths[other]))
        for _, _, memory in self._cache:
            kept = memory[one, :, :used].copy()
            memory[one, :, :used] = memory[other, :, :used]
            memory[other, :, :used] = kept
        self.lengths[[one, other]] = self.lengths[[other, one]]

    @property
    def cache_bytes(self) -> int:
        """Bytes of the whole key-value cache."""
        return sum(memory.nbytes for _, _, memory in self._cache)


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    return options


def _names(folder: Folder, mapping: dict[str, str], key: str, value: str, word: str) -> list[str]:
    keys, values = mapping.get(f"{word}_key_names", key), mapping.get(f"{word}_value_names", value)
    return [pattern % layer for layer in range(folder.layers) for pattern in (keys, values)]
